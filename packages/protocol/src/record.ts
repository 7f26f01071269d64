import type { TransactionId } from './id.ts'
import type { Digest } from './list.ts'
import type { InstanceId, ParticipantName, Token } from './name.ts'
import type { Outcome, Reason } from './outcome.ts'
import type { TraceContext } from './trace.ts'

/** A branch as the decision record keeps it: the vote that was counted, with its opening. */
export interface DecidedBranch {
  readonly participant: ParticipantName
  readonly vote: 'prepared' | 'read-only' | 'refused' | 'unknown'
  /** Known for every `prepared` or `read-only` vote. */
  readonly instance?: InstanceId
  readonly token?: Token
}

/** Who caused a decision (rule R3). */
export type Actor = { readonly kind: 'owner' } | { readonly kind: 'holder'; readonly participant: ParticipantName }

/** What is proposed to the log for a transaction, and what stays of it once it is the first applied one (rule R1). */
export interface Decision {
  readonly id: TransactionId
  readonly outcome: Outcome
  readonly digest: Digest
  readonly branches: readonly DecidedBranch[]
  readonly reason?: Reason
  readonly actor: Actor
  readonly trace?: TraceContext
  /** Wall clock of the proposing leader in milliseconds since the Unix epoch, for people. */
  readonly decidedAtMs: number
}

/** What a resource could not honour, as a participant reports it. */
export type HazardKind =
  /** `committed` met neither a prepared branch nor a row: the effects are lost. */
  | 'effects-lost'
  /** `committed` met a row that says aborted. */
  | 'committed-met-aborted'
  /** `aborted` met a row that says committed. */
  | 'aborted-met-committed'
  /** `committed` met a branch that was prepared under another digest or token. */
  | 'other-branch-prepared'

export interface RecordedHazard {
  readonly participant: ParticipantName
  readonly kind: HazardKind
  readonly note: string
}

/** A decision as the group keeps it. */
export interface DecisionRecord extends Decision {
  /** Every branch that was told the outcome has acknowledged. */
  readonly settled: boolean
  readonly hazards: readonly RecordedHazard[]
}
