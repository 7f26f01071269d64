import { maxTextLength } from '@verdict/protocol'

export interface RefuseOptions {
  /** Whether a new attempt may succeed without any change by the caller. False unless said. */
  readonly retryable?: boolean
}

/** What an operation throws to refuse; made by `refuse`. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  /** Stable, for programs. */
  readonly code: string
  readonly retryable: boolean

  constructor(code: string, message: string, retryable: boolean) {
    super(message)
    this.code = code
    this.retryable = retryable
  }
}

/**
 * Makes the error with which an operation refuses: the branch ends without effect, the transaction aborts, and whoever began it
 * is told code and message. Use it as `throw refuse('insufficient-funds', { account })`.
 *
 * @param code stable, for programs: words with `-` between.
 * @param details a sentence for people, or plain data that is shown behind the code.
 */
export function refuse(
  code: string,
  details?: string | Readonly<Record<string, unknown>>,
  { retryable = false }: RefuseOptions = {},
): Refusal {
  const message = typeof details === 'string' ? details : details === undefined ? code : `${code} ${inspect(details)}`
  return new Refusal(code, message.slice(0, maxTextLength), retryable)
}

function inspect(details: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(details, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
}
