import type { SnapshotHeader } from './snapshot-header.ts'
import type { SpaceValues } from './snapshot-values.ts'

/** Name of one replica, unique for ever: a replica that lost its disk comes back under another. */
export type ReplicaId = string & { readonly __brand: 'ReplicaId' }
/** A leader's reign. Starts at 0 (nobody yet) and only grows. */
export type Term = number & { readonly __brand: 'Term' }
/** Position in the log. The first entry has index 1; 0 means "before the log". */
export type LogIndex = number & { readonly __brand: 'LogIndex' }

/**
 * One entry of the log. A `noop` opens a leader's term (Raft dissertation, section 6.4); `members` brings the membership that
 * counts from there on (section 4.1), as `encodeMembership` writes it.
 */
export interface Entry {
  readonly term: Term
  readonly index: LogIndex
  readonly kind: 'command' | 'noop' | 'members'
  readonly command: Uint8Array
}

/** "Would you vote for me in this term?" Nobody's term or vote changes (dissertation, section 9.6). */
export interface RequestPreVote {
  readonly kind: 'requestPreVote'
  /** The term that the sender would stand in: one more than its own. */
  readonly term: Term
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
}

export interface PreVoteReply {
  readonly kind: 'preVoteReply'
  /** When granted, the term that was asked about; when refused, the term of whoever refuses. */
  readonly term: Term
  readonly granted: boolean
}

export interface RequestVote {
  readonly kind: 'requestVote'
  readonly term: Term
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  /** The leader itself asked the sender to stand: whoever hears that leader may vote all the same (dissertation, section 4.2.3). */
  readonly isTransfer: boolean
}

export interface VoteReply {
  readonly kind: 'voteReply'
  readonly term: Term
  readonly granted: boolean
}

/** Entries that follow one another, right after the position `prevIndex`, `prevTerm`. */
export interface Append {
  readonly kind: 'append'
  readonly term: Term
  readonly prevIndex: LogIndex
  readonly prevTerm: Term
  readonly entries: readonly Entry[]
  readonly commitIndex: LogIndex
}

export interface AppendReply {
  readonly kind: 'appendReply'
  readonly term: Term
  /** Up to here the sender has the leader's log, flushed or not: what it has received need not be sent again. */
  readonly receivedIndex: LogIndex
  /** Up to here on its disk: what counts for a majority. */
  readonly matchIndex: LogIndex
}

/** The sender's log has another entry at `prevIndex`, or none. */
export interface AppendRefusal {
  readonly kind: 'appendRefusal'
  readonly term: Term
  /** `prevIndex` of the refused append. */
  readonly prevIndex: LogIndex
  /** The last position before it that may match, by the term there. */
  readonly hintIndex: LogIndex
  readonly hintTerm: Term
}

export interface Heartbeat {
  readonly kind: 'heartbeat'
  readonly term: Term
  readonly commitIndex: LogIndex
  /** Counts the leader's questions "am I still the leader?" (dissertation, section 6.4). */
  readonly round: number
  /** The last entry that the leader has sent to this follower. */
  readonly sentIndex: LogIndex
  /** Up to here this follower has told this leader that its disk holds the log. */
  readonly matchIndex: LogIndex
}

/** Answer to a heartbeat; unasked, with round 0, a follower's question whether its leader's process is there at all. */
export interface HeartbeatReply {
  readonly kind: 'heartbeatReply'
  readonly term: Term
  readonly round: number
  /** The heartbeat's own. */
  readonly sentIndex: LogIndex
  /** Up to here the sender has the leader's log, flushed or not. */
  readonly receivedIndex: LogIndex
  /** Up to here on its disk. */
  readonly matchIndex: LogIndex
}

/** "Stand at once, without a pre-vote" (dissertation, section 3.10). */
export interface TimeoutNow {
  readonly kind: 'timeoutNow'
  readonly term: Term
}

/** Values of a snapshot, right after those up to `after` (Raft paper, figure 13). */
export interface SnapshotChunk {
  readonly kind: 'snapshotChunk'
  readonly term: Term
  readonly header: SnapshotHeader
  /** The last key of the chunk before; empty for the first. */
  readonly after: string
  readonly values: SpaceValues
  /** Over all values of the snapshot up to the last of these. */
  readonly checksum: number
  /** No values follow these. */
  readonly done: boolean
}

/** Up to where the sender's disk has the snapshot of this index and term; an `appendReply` says that it has taken it in. */
export interface SnapshotReply {
  readonly kind: 'snapshotReply'
  readonly term: Term
  readonly index: LogIndex
  readonly snapshotTerm: Term
  /** The last key on disk; empty when the snapshot has to begin anew. */
  readonly position: string
  /** Over all values up to there. */
  readonly checksum: number
}

export type Message =
  | RequestPreVote
  | PreVoteReply
  | RequestVote
  | VoteReply
  | Append
  | AppendReply
  | AppendRefusal
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow
  | SnapshotChunk
  | SnapshotReply
