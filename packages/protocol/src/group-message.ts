import type { Trouble } from './client-message.ts'
import type { Epoch, TransactionId } from './id.ts'
import type { BranchList, Digest, Operation } from './list.ts'
import type { InstanceId, Token } from './name.ts'
import type { Outcome } from './outcome.ts'
import type { Payload } from './payload.ts'
import type { ReportedHazard } from './record.ts'
import type { TraceContext } from './trace.ts'
import type { Vote } from './vote.ts'

export interface Prepare {
  readonly type: 'prepare'
  readonly id: TransactionId
  readonly list: BranchList
  readonly digest: Digest
  /** The receiver's own operations, for a one-shot. Absent when the leader does not have them (any more). */
  readonly operations?: readonly Operation[]
  readonly leftMs: number
  /** As with a call. */
  readonly ageMs?: number
  /** A branch that only reads votes `prepared` too (rule R7). */
  readonly isolation?: 'serializable'
  readonly term: number
  readonly horizon: Epoch
  readonly trace?: TraceContext
}

export interface VoteMessage {
  readonly type: 'vote'
  readonly id: TransactionId
  readonly digest: Digest
  readonly vote: Vote
}

export interface OutcomeMessage {
  readonly type: 'outcome'
  readonly id: TransactionId
  readonly digest: Digest
  /** The opening whose vote was counted; absent when an aborted record knows none. */
  readonly token?: Token
  readonly outcome: Outcome
  readonly horizon: Epoch
  readonly trace?: TraceContext
}

export interface Ack {
  readonly type: 'ack'
  readonly id: TransactionId
  readonly digest: Digest
  readonly instance: InstanceId
  readonly applied: Outcome
  readonly results?: readonly Payload[]
}

export interface HazardReport {
  readonly type: 'hazard'
  readonly id: TransactionId
  readonly digest: Digest
  readonly kind: ReportedHazard
  readonly note: string
}

/** A participant says which branches it cannot end, again and again as long as that is so. Nothing rests on it but what status shows. */
export interface TroubleReport {
  readonly type: 'trouble'
  readonly branches: readonly Omit<Trouble, 'participant'>[]
}

/** A participant in doubt asks for the outcome of branches that it holds prepared. */
export interface Inquiry {
  readonly type: 'inquiry'
  readonly instance: InstanceId
  readonly branches: readonly HeldBranch[]
}

export interface HeldBranch {
  readonly id: TransactionId
  readonly digest: Digest
  readonly token: Token
  /** The list, where the instance still has it. */
  readonly list?: BranchList
  readonly trace?: TraceContext
}

export interface InquiryAnswer {
  readonly type: 'inquiryAnswer'
  readonly answers: readonly {
    readonly id: TransactionId
    /** The digest that was asked for. */
    readonly digest: Digest
    /** The opening whose vote was counted, for an outcome. */
    readonly token?: Token
    /** `released`: as `discard`, and an operator has said that it holds in another history too (rule R13). */
    readonly answer: Outcome | 'expired' | 'discard' | 'released' | 'pending'
    /** The transaction's, as its record has it: a resource may not be able to show that of a branch it holds. */
    readonly trace?: TraceContext
  }[]
  readonly horizon: Epoch
}

/** A participant asks which of its committed rows it may delete. For the records that are kept it is an acknowledgement (rule R12). */
export interface Sweep {
  readonly type: 'sweep'
  readonly instance: InstanceId
  readonly rows: readonly SweptRow[]
}

/** A committed row of a logged transaction, at or behind the participant's floor. */
export interface SweptRow {
  readonly id: TransactionId
  readonly digest: Digest
  readonly token: Token
}

export interface SweepAnswer {
  readonly type: 'sweepAnswer'
  readonly answers: readonly {
    readonly id: TransactionId
    /** `forgotten`: the group has no record any more and never will have one, so the row may go. */
    readonly answer: 'forgotten' | 'kept'
  }[]
  readonly horizon: Epoch
}

/** A leader says that it leads, and again whenever the epoch moves: whoever is in doubt may ask, and whoever keeps rows learns the horizon. */
export interface Announce {
  readonly type: 'announce'
  readonly term: number
  readonly epoch: Epoch
  readonly horizon: Epoch
}
