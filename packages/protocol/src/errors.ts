export type ProtocolErrorCode =
  | 'bad-name'
  | 'bad-id'
  | 'bad-list'
  | 'bad-payload'
  | 'payload-too-large'
  | 'malformed-message'
  | 'unsupported-version'

/**
 * Every error code of the protocol, in one place. `retryable` says whether the same request may succeed later without any
 * change by the caller.
 */
export const protocolErrors: Readonly<Record<ProtocolErrorCode, { readonly retryable: boolean }>> = {
  'bad-name': { retryable: false },
  'bad-id': { retryable: false },
  'bad-list': { retryable: false },
  'bad-payload': { retryable: false },
  'payload-too-large': { retryable: false },
  'malformed-message': { retryable: false },
  'unsupported-version': { retryable: false },
}

/** Something that does not follow the protocol. The message says what was found, what was expected and what to do. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode
  readonly retryable: boolean
  /** The name of the bound that was met, if it was one. */
  readonly limit: string | undefined

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions & { readonly limit?: string }) {
    super(message, options)
    this.code = code
    this.retryable = protocolErrors[code].retryable
    this.limit = options?.limit
  }
}

/** A received message that cannot be used. `request` is the number it carried, where that can still be trusted. */
export class WireError extends ProtocolError {
  readonly request: number | undefined

  constructor(
    code: 'malformed-message' | 'unsupported-version',
    message: string,
    request: number | undefined,
    options?: ErrorOptions,
  ) {
    super(code, message, options)
    this.request = request
  }
}
