import type {
  Actor,
  BranchList,
  Digest,
  InstanceId,
  ListedBranch,
  Operation,
  ParticipantName,
  Payload,
  Reason,
  Token,
  TraceContext,
  TransactionId,
} from '@verdict/protocol'

/** How far one branch has come. */
export interface BranchProgress {
  readonly listed: ListedBranch
  /** The vote that is counted: the first one that is a vote. */
  vote: 'awaited' | 'prepared' | 'read-only' | 'refused'
  instance: InstanceId | undefined
  token: Token | undefined
  results: readonly Payload[] | undefined
  /** It voted `read-only`, and would write nothing if it were executed again. */
  harmless: boolean
  reason: Reason | undefined
  /** How often prepare was sent. */
  sent: number
  resendAtMs: number
  /** Instances where a copy of a one-shot's prepare waited in vain for a lock. */
  lockTimeouts: InstanceId[]
  /** The instance that the list names did not listen once. An instance is one life of a process, so it will not come back. */
  namedGone: boolean
}

/** The sealed list of a transaction with what belongs to it. */
export interface Sealed {
  readonly list: BranchList
  readonly digest: Digest
  /** Operations by branch, for a one-shot; undefined once nobody who knows them has asked. */
  readonly operations: readonly (readonly Operation[])[] | undefined
  /** Whether a one-shot's branches are asked one after another, in the order of the list (rule R7). */
  readonly ordered?: boolean
  /** Whether a one-shot's branches that only read keep their locks until the end as well (rule R7). */
  readonly serializable?: boolean
}

/** A prepared branch whose holder asked while the list was unknown (rule R6). */
export interface Holder {
  readonly participant: ParticipantName
  readonly digest: Digest
  readonly token: Token
}

/**
 * One commit at the leader: list → votes → decision (rules R2, R4, R6, R10). Plain data, volatile, and safe to drop at any time:
 * what is decided stands in the log alone.
 */
export interface Commit {
  readonly id: TransactionId
  /** Whether the id is the caller's own: such transactions are always logged (rule R17). */
  readonly kept: boolean
  /** Who will have caused an `aborted` record. */
  actor: Actor
  sealed: Sealed | undefined
  /** Present until a list is known. */
  holder: Holder | undefined
  branches: BranchProgress[]
  /** `waiting` for a list, `collecting` votes, or `deciding`: a decision was proposed, or nothing needs to be recorded. */
  stage: 'waiting' | 'collecting' | 'deciding'
  endsAtMs: number
  /** When its owner began it, an earlier attempt included: the older waits longer for locks (rule R7). */
  begunAtMs: number | undefined
  trace: TraceContext | undefined
}

export interface CommitTiming {
  readonly resendMs: number
  readonly maxResendMs: number
}

/** A commit of which nothing is known yet but its id. */
export function newCommit(id: TransactionId, kept: boolean): Commit {
  return {
    id,
    kept,
    actor: { kind: 'owner' },
    sealed: undefined,
    holder: undefined,
    branches: [],
    stage: 'waiting',
    endsAtMs: Number.POSITIVE_INFINITY,
    begunAtMs: undefined,
    trace: undefined,
  }
}
