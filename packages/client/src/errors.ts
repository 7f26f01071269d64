import type { BranchList, ParticipantName, Reason, RecordedHazard, TransactionId } from '@verdict/protocol'

/** Every code of an error that is the caller's to mend or to wait out; nothing was sent, or nothing took effect. */
export type ClientErrorCode =
  | 'bad-option'
  | 'foreign-id'
  | 'no-operations'
  | 'too-many-branches'
  | 'too-many-calls'
  | 'transaction-over'
  | 'overloaded'
  | 'closed'

/** `retryable` says whether the same request may succeed later without any change by the caller. */
export const clientErrors: Readonly<Record<ClientErrorCode, { readonly retryable: boolean }>> = {
  'bad-option': { retryable: false },
  'foreign-id': { retryable: false },
  'no-operations': { retryable: false },
  'too-many-branches': { retryable: false },
  'too-many-calls': { retryable: false },
  'transaction-over': { retryable: false },
  overloaded: { retryable: true },
  closed: { retryable: false },
}

/** Something was asked for that cannot be done. The message says what was found, what was expected and what to do. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  readonly code: ClientErrorCode
  readonly retryable: boolean
  /** The name of the bound that was met, if it was one. */
  readonly limit: string | undefined

  constructor(code: ClientErrorCode, message: string, limit?: string) {
    super(message)
    this.code = code
    this.retryable = clientErrors[code].retryable
    this.limit = limit
  }
}

/** This run of the transaction has no effect, anywhere. `cause` is what the caller's own code threw. */
export class TransactionAborted extends Error {
  override readonly name = 'TransactionAborted'
  readonly code = 'transaction-aborted'
  readonly id: TransactionId
  /** Who refused, if it was a participant, and why. */
  readonly reason: Reason
  /** Whether a new attempt may succeed without any change by the caller. */
  readonly retryable: boolean
  /**
   * Whether the group has recorded it: then it is final for the id. Else this run gave up before it asked for the commit, and an id
   * that the caller made beforehand may be run again (or be committed by another run of it that is still under way).
   */
  readonly recorded: boolean

  constructor(id: TransactionId, reason: Reason, recorded: boolean, options?: ErrorOptions) {
    const who = reason.participant === undefined ? '' : ` by ${reason.participant}`
    super(`Transaction ${id} was aborted${who} (${reason.code}): ${reason.message}`, options)
    this.id = id
    this.reason = reason
    this.retryable = reason.retryable
    this.recorded = recorded
  }
}

/** A transaction of which nobody knows what became of it, for `verdict.outcome`. Plain data, to be kept if that has to wait. */
export interface Doubt {
  readonly id: TransactionId
  /** Of a lone transaction: its participant alone can tell, and needs to be told which branch is meant. */
  readonly lone?: BranchList
}

/** What happened to the transaction is not known. It is never guessed. */
export class InDoubt extends Error {
  override readonly name = 'InDoubt'
  readonly code = 'in-doubt'
  readonly id: TransactionId
  /** What `verdict.outcome` needs to ask again. */
  readonly doubt: Doubt
  /** Nothing is recorded any more: asking again will not tell. */
  readonly expired: boolean
  /** Whether running the same id again gives the outcome: it does for an id that the caller made beforehand. */
  readonly retryable: boolean

  constructor(
    id: TransactionId,
    why: string,
    details: {
      readonly kept: boolean
      readonly expired?: boolean
      readonly lone?: BranchList | undefined
      readonly cause?: unknown
    },
  ) {
    const { kept, expired = false, lone, cause } = details
    const advice = expired
      ? 'It was decided long ago, or never, and no record is left: look into the services themselves.'
      : kept
        ? 'Run it again under the same id: it takes effect at most once.'
        : 'Ask verdict.outcome(error.doubt) for it; to run it again without knowing could do it twice.'
    super(`The outcome of transaction ${id} is not known: ${why}. ${advice}`, cause === undefined ? {} : { cause })
    this.id = id
    this.doubt = { id, ...(lone && { lone }) }
    this.expired = expired
    this.retryable = kept && !expired
  }
}

/** The transaction is committed, but a participant could not honour that: its effects are lost there. Operators must mend it. */
export class CommittedWithHazards extends Error {
  override readonly name = 'CommittedWithHazards'
  readonly code = 'committed-with-hazards'
  readonly retryable = false
  readonly id: TransactionId
  readonly hazards: readonly RecordedHazard[]

  constructor(id: TransactionId, hazards: readonly RecordedHazard[]) {
    const told = hazards.map(({ participant, kind, note }) => `${participant}: ${kind} (${note})`).join('; ')
    super(
      `Transaction ${id} is committed, but not everywhere: ${told}. Do not run it again; see \`verdict txn show\` and mend the participant by hand.`,
    )
    this.id = id
    this.hazards = hazards
  }
}

/** Whether an error is a `TransactionAborted`, of whichever copy of this package. */
export function isTransactionAborted(error: unknown): error is TransactionAborted {
  return hasCode(error, 'transaction-aborted')
}

/** Whether an error is an `InDoubt`, of whichever copy of this package. */
export function isInDoubt(error: unknown): error is InDoubt {
  return hasCode(error, 'in-doubt')
}

/** Whether an error is a `CommittedWithHazards`, of whichever copy of this package. */
export function isCommittedWithHazards(error: unknown): error is CommittedWithHazards {
  return hasCode(error, 'committed-with-hazards')
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

export function tooManyBranches(participant: ParticipantName, most: number): ClientError {
  return new ClientError(
    'too-many-branches',
    `${participant} would be a branch too many: a transaction has at most ${most}. Split the work.`,
    'maxBranches',
  )
}
