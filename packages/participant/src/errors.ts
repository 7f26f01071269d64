/** Every error code of this package besides those of the protocol and of resources. None is mended by trying again. */
export type ParticipantErrorCode = 'bad-definition' | 'already-serving'

/** A participant that cannot be served as it was written or used. The message says what to change. */
export class ParticipantError extends Error {
  override readonly name = 'ParticipantError'
  readonly code: ParticipantErrorCode
  readonly retryable = false

  constructor(code: ParticipantErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
