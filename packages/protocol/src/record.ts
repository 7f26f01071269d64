import type { TransactionId } from './id.ts'
import type { Digest } from './list.ts'
import type { InstanceId, OwnerName, ParticipantName, Token } from './name.ts'
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
export type Actor =
  | { readonly kind: 'owner' }
  | { readonly kind: 'holder'; readonly participant: ParticipantName }
  | ({ readonly kind: 'operator' } & Operator)

/** A person who decides (rule R16). */
export interface Operator {
  /** Who that is, in its own words. */
  readonly by: string
  /** The owner's name that it spoke under: what the bus lets it use. */
  readonly as: OwnerName
}

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
export type ReportedHazard =
  /** `committed` met neither a prepared branch nor a row: the effects are lost. */
  | 'effects-lost'
  /** `committed` met a row that says aborted. */
  | 'committed-met-aborted'
  /** `aborted` met a row that says committed. */
  | 'aborted-met-committed'
  /** `committed` met a branch that was prepared under another digest or token. */
  | 'other-branch-prepared'

/** `never-acknowledged`: an operator ended the wait for a branch of which nobody has seen that it honoured the outcome. */
export type HazardKind = ReportedHazard | 'never-acknowledged'

export interface RecordedHazard {
  readonly participant: ParticipantName
  readonly kind: HazardKind
  readonly note: string
  /** Until it is there the hazard is open: the record stays unsettled, and a commit is no success. */
  readonly resolved?: Resolution
}

/** An operator's word that a branch was dealt with by hand (rule R16). It ends the alarm and never changes the outcome. */
export interface Resolution extends Operator {
  readonly because: string
  /** Wall clock of the proposing leader in milliseconds since the Unix epoch, for people. */
  readonly atMs: number
}

/** Whether nobody has dealt with it yet. */
export function isOpen({ resolved }: RecordedHazard): boolean {
  return resolved === undefined
}

/** A decision as the group keeps it. */
export interface DecisionRecord extends Decision {
  /** Every branch that was told the outcome has acknowledged. */
  readonly settled: boolean
  readonly hazards: readonly RecordedHazard[]
}
