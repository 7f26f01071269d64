import type { Epoch, TransactionId } from './id.ts'
import type { BranchList, Digest, Operation } from './list.ts'
import type { GroupId, InstanceId, Nonce, ParticipantName, Token } from './name.ts'
import type { Outcome, Reason } from './outcome.ts'
import type { Payload } from './payload.ts'
import type { Actor, DecidedBranch, RecordedHazard } from './record.ts'
import type { TraceContext } from './trace.ts'

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
  /** How long an id counts, at the pace of the group's epochs: a transaction's budget is at most a third of it (rule R11). */
  readonly retentionMs: number
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
  /** How long ago its first attempt began: the older waits longer for locks (rule R7). None is told by older clients. */
  readonly ageMs?: number
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
  /** As in a call, for a one-shot. */
  readonly ageMs?: number
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
  /** As with a call. */
  readonly ageMs?: number
  /** Prepares of a one-shot go out one after another, in the order of the list (rule R7). */
  readonly ordered?: true
  /** Branches of a one-shot that only read vote `prepared` too, and keep their locks (rule R7). */
  readonly isolation?: 'serializable'
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
        /** What could not be honoured somewhere. While one of them is open the commit is not a success. */
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
  readonly epoch: Epoch
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
      readonly actor: Actor
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
  readonly inDoubt: readonly InDoubt[]
  /** Some of those with an open hazard. */
  readonly withHazards: readonly InDoubt[]
  /** What the leader knows to be stuck, the longest first, a bounded number of them. */
  readonly troubles: readonly Trouble[]
}

/** A transaction that is decided and not settled. */
export interface InDoubt {
  readonly id: TransactionId
  readonly outcome: Outcome
  readonly decidedAtMs: number
  /** Whose acknowledgement settles it; some may have acknowledged already. */
  readonly waitingFor: readonly ParticipantName[]
  readonly hazards: readonly RecordedHazard[]
}

/** A transaction that does not end by itself, or has not for long. Nothing of it is recorded: it is so now, or was a moment ago. */
export interface Trouble {
  readonly id: TransactionId
  /** Whose branch it is; undefined when the leader itself is in trouble with it. */
  readonly participant?: ParticipantName
  readonly kind: TroubleKind
  readonly note: string
  /** How long it has been so, at least. */
  readonly ageMs: number
}

export type TroubleKind =
  /** Another store prepared the branch, and the group has no outcome for it: an operator has to end it (rule R13). */
  | 'quarantined'
  /** The resource has refused again and again to end the branch. */
  | 'failing'
  /** The branch has been prepared for longer than the age limit, and its outcome is not known there. */
  | 'overdue'
  /** Dealing with the transaction throws. It is left alone, and tried again after long pauses. */
  | 'poisoned'

/** An operator decides, or wants something tried now (rule R16). */
export interface Operate {
  readonly type: 'operate'
  readonly id: TransactionId
  readonly order: Order
}

export type Order =
  /** Abort it, unless it is decided. */
  | { readonly kind: 'abort'; readonly by: string; readonly because: string }
  /** Its branch at this participant was dealt with by hand: wait for it no longer, and end the alarm. */
  | { readonly kind: 'resolve'; readonly participant: ParticipantName; readonly by: string; readonly because: string }
  /** Ask and tell now whom it waits for, whatever pause is under way. It decides nothing. */
  | { readonly kind: 'retry' }

export interface Operated {
  readonly type: 'operated'
  /** `released`: the participant rolls its quarantined branch back. `nothing`: there is nothing to do that for, or not yet. */
  readonly done: 'recorded' | 'released' | 'tried' | 'nothing'
  /** What is recorded now, by whomever. */
  readonly found: Found
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
