import type { Epoch, TransactionId } from './id.ts'
import type { BranchList, Digest, Operation } from './list.ts'
import type { GroupId, InstanceId, Nonce, ParticipantName, Token } from './name.ts'
import type { Outcome, Reason } from './outcome.ts'
import type { Payload } from './payload.ts'
import type { DecidedBranch, HazardKind, RecordedHazard } from './record.ts'
import type { TraceContext } from './trace.ts'
import type { Vote } from './vote.ts'

/** Every message of the protocol. Who may send which is said in `subject.ts`; the sender is told by the subject alone. */
export type Message = Request | Answer | Control | Word

/** What a client or tool asks; each is answered on its own inbox under the request's number. */
export type Request = Hello | Call | Release | Alone | Commit | Abort | Look | Status | Upgrade

/** What answers a request. */
export type Answer = Welcome | CallResult | LoneDecided | Decided | Looked | StatusReport | Upgraded | Failure

/** What a group tells participants. */
export type Control = Prepare | OutcomeMessage | InquiryAnswer | Announce

/** What a participant tells a group. */
export type Word = VoteMessage | Ack | HazardReport | Inquiry

/** Asks who the group is now. */
export interface Hello {
  readonly type: 'hello'
}

export interface Welcome {
  readonly type: 'welcome'
  readonly group: GroupId
  /** Every replica of the group, so that a tool which knows its name alone can ask each how it is. */
  readonly replicas: readonly string[]
  readonly epoch: Epoch
  readonly horizon: Epoch
}

/** Runs one operation inside a branch. The first one (n = 1) opens it and has no token; later ones go to the instance that holds it. */
export interface Call {
  readonly type: 'call'
  readonly id: TransactionId
  readonly nonce: Nonce
  readonly n: number
  readonly token?: Token
  readonly operation: string
  readonly args: Payload
  /** What is left of the transaction's budget. */
  readonly leftMs: number
  readonly trace?: TraceContext
}

export interface CallResult {
  readonly type: 'result'
  readonly id: TransactionId
  readonly n: number
  readonly instance: InstanceId
  /** The branch's opening; absent when none was opened. */
  readonly token?: Token
  readonly result:
    | { readonly kind: 'value'; readonly value: Payload }
    /** The call did not take effect, and the branch is gone or will be. */
    | { readonly kind: 'refused'; readonly reason: Reason }
    /** Another run of this id holds the branch, or the id is prepared or ended here already: look at the transaction. */
    | { readonly kind: 'busy' }
}

/** Drops an unprepared branch; nothing is answered. */
export interface Release {
  readonly type: 'release'
  readonly id: TransactionId
  readonly token: Token
}

/**
 * Asks a participant to decide a lone transaction itself (rule R9): it commits exactly this opening with exactly these calls, or makes
 * sure that it never will.
 */
export interface Alone {
  readonly type: 'alone'
  readonly id: TransactionId
  /** Names one branch: the receiver's. */
  readonly list: BranchList
  readonly digest: Digest
  /** For a one-shot. Without them nothing runs any more: what is there is told, or that it is aborted. */
  readonly operations?: readonly Operation[]
  readonly leftMs: number
  /** It was asked before: an earlier copy may be at work, and hold the locks that this one waits for. */
  readonly again: boolean
  readonly trace?: TraceContext
}

/** The answer to `alone`. Only `committed` and `aborted` are outcomes; each stands in a durable row before it is told. */
export interface LoneDecided {
  readonly type: 'loneDecided'
  readonly id: TransactionId
  readonly digest: Digest
  readonly instance: InstanceId
  readonly answer:
    | {
        readonly kind: 'committed'
        /** Values of a one-shot; absent when they are too much to keep. */
        readonly results?: readonly Payload[]
        readonly took?: LoneDurations
      }
    | { readonly kind: 'aborted'; readonly reason: Reason }
    | { readonly kind: 'read-only'; readonly results?: readonly Payload[]; readonly took?: LoneDurations }
    /**
     * `expired`: nothing of this epoch is kept any more. `conflict`: it was committed here under another list; for the asker's list, not
     * committed and never will be. `busy`: not known yet, ask again.
     */
    | { readonly kind: 'expired' | 'conflict' | 'busy' }
}

/** Where the time of a lone transaction went at its participant, told by the instance that has just committed it. */
export interface LoneDurations {
  /** Opening, running and waiting, from the request to `commit`. */
  readonly runMs: number
  /** The resource's own commit. */
  readonly commitMs: number
}

export interface Commit {
  readonly type: 'commit'
  readonly id: TransactionId
  readonly list: BranchList
  readonly digest: Digest
  readonly leftMs: number
  /** Operations of each branch, in the list's order, for a one-shot. */
  readonly operations?: readonly (readonly Operation[])[]
  /** Whether to answer once it is decided, or once every branch has applied it. */
  readonly wait: 'decided' | 'applied'
  readonly trace?: TraceContext
}

/** Asks for the abort of a transaction whose commit was asked before. */
export interface Abort {
  readonly type: 'abort'
  readonly id: TransactionId
  readonly list: BranchList
  readonly digest: Digest
  readonly reason: Reason
  readonly trace?: TraceContext
}

/** The answer to `commit` and `abort`. Only `committed` and `aborted` are outcomes. */
export interface Decided {
  readonly type: 'decided'
  readonly id: TransactionId
  readonly digest: Digest
  readonly epoch: Epoch
  readonly answer:
    | {
        readonly kind: 'committed'
        /** Values by branch in the list's order, for a one-shot; `pending` when they are not known here (any more). */
        readonly results?: readonly (readonly Payload[])[] | 'pending'
        /** Whether every branch had applied it when this was said. */
        readonly applied: boolean
        /** What could not be honoured somewhere. Not empty: the commit is not a success. */
        readonly hazards: readonly RecordedHazard[]
        readonly took?: CommitCost
      }
    | { readonly kind: 'aborted'; readonly reason: Reason }
    | {
        readonly kind: 'read-only'
        readonly results?: readonly (readonly Payload[])[] | 'pending'
        readonly took?: CommitCost
      }
    /** Nothing is recorded, and nothing of this epoch is any more. */
    | { readonly kind: 'expired' }
    /** The transaction was decided under another list: for the asker's list, not committed and never will be. */
    | { readonly kind: 'conflict'; readonly recorded: Digest; readonly outcome: Outcome }
    /** Not known yet: ask again. */
    | { readonly kind: 'pending' }
    /** The request was not taken: try again. */
    | { readonly kind: 'refused'; readonly reason: Reason }
}

/** What a commit cost at the leader that collected its votes, up to the decision. */
export interface CommitCost {
  /** Prepares that were sent, and votes that came. */
  readonly messages: number
  readonly votesMs: number
  /** The decision's way through the log; 0 where nothing was logged. */
  readonly logMs: number
}

/** Asks what is recorded; never changes anything. */
export interface Look {
  readonly type: 'look'
  readonly ids: readonly TransactionId[]
  readonly trace?: TraceContext
}

export interface Looked {
  readonly type: 'looked'
  readonly found: readonly Found[]
}

/** `none` and `expired` mean "nothing is recorded", not "aborted". */
export type Found =
  | {
      readonly kind: 'recorded'
      readonly id: TransactionId
      readonly outcome: Outcome
      readonly digest: Digest
      readonly branches: readonly DecidedBranch[]
      readonly reason?: Reason
      readonly settled: boolean
      readonly hazards: readonly RecordedHazard[]
      readonly decidedAtMs: number
      readonly trace?: TraceContext
    }
  | { readonly kind: 'none' | 'expired'; readonly id: TransactionId }

/** Asks one replica how it is. */
export interface Status {
  readonly type: 'status'
}

export interface StatusReport {
  readonly type: 'statusReport'
  readonly group: GroupId
  readonly replica: string
  readonly role: 'leader' | 'follower' | 'candidate' | 'pre-candidate'
  readonly leader?: string
  readonly term: number
  readonly lastIndex: number
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly epoch: Epoch
  readonly horizon: Epoch
  readonly version: string
  /** The group's format, as far as this replica has applied the log; 1 when absent. */
  readonly format?: number
  /** The newest format that this replica reads; 1 when absent. */
  readonly newestFormat?: number
  /** Decided and not yet acknowledged by every branch. */
  readonly unsettled: number
  /** Transactions that the leader is collecting votes for. */
  readonly underway: number
  /** Transactions with an open hazard. */
  readonly hazardous: number
  /** The oldest unsettled ones first, a bounded number of them. */
  readonly inDoubt: readonly {
    readonly id: TransactionId
    readonly outcome: Outcome
    readonly decidedAtMs: number
    readonly waitingFor: readonly ParticipantName[]
    readonly hazards: readonly RecordedHazard[]
  }[]
}

/** An operator raises a group's format, once every replica reads it. */
export interface Upgrade {
  readonly type: 'upgrade'
  readonly to: number
}

export interface Upgraded {
  readonly type: 'upgraded'
  /** The group's format now, whoever raised it. */
  readonly format: number
}

/** Says that a request could not be read. */
export interface Failure {
  readonly type: 'failure'
  readonly code: string
  readonly message: string
}

export interface Prepare {
  readonly type: 'prepare'
  readonly id: TransactionId
  readonly list: BranchList
  readonly digest: Digest
  /** The receiver's own operations, for a one-shot. Absent when the leader does not have them (any more). */
  readonly operations?: readonly Operation[]
  readonly leftMs: number
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
  readonly kind: HazardKind
  readonly note: string
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
    readonly answer: Outcome | 'expired' | 'discard' | 'pending'
    /** The transaction's, as its record has it: a resource may not be able to show that of a branch it holds. */
    readonly trace?: TraceContext
  }[]
  readonly horizon: Epoch
}

/** A leader says that it leads: whoever is in doubt may ask. */
export interface Announce {
  readonly type: 'announce'
  readonly term: number
  readonly epoch: Epoch
  readonly horizon: Epoch
}
