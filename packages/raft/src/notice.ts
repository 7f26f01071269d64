import type { LogIndex, ReplicaId, Term } from './message.ts'

/** What happened in a replica, for whoever watches or builds on it. */
export type RaftEvent =
  /** The replica leads, and everything committed before its term is applied here: it is ready to serve. */
  | { readonly kind: 'becameLeader'; readonly term: Term }
  /** Follows each `becameLeader`, once. */
  | { readonly kind: 'lostLeadership'; readonly term: Term; readonly why: string }
  | { readonly kind: 'leaderChanged'; readonly term: Term; readonly leader: ReplicaId | undefined }
  | { readonly kind: 'electionStarted'; readonly term: Term }
  /** Precedes `lostLeadership`: a majority of the voters has not answered for as long as others need to elect a leader. */
  | { readonly kind: 'lostQuorum'; readonly term: Term }
  /** Another replica took over, as it was asked to. */
  | { readonly kind: 'transferred'; readonly term: Term; readonly leader: ReplicaId }
  /** A change of the membership is committed, and applied here. */
  | {
      readonly kind: 'membershipChanged'
      readonly index: LogIndex
      readonly voters: readonly ReplicaId[]
      readonly learners: readonly ReplicaId[]
    }
  /** This replica belongs to the group no longer: it takes no part in anything, and may be stopped for good. */
  | { readonly kind: 'removed'; readonly index: LogIndex }
  /** A follower that was too far behind has a snapshot of everything up to `index`. */
  | { readonly kind: 'snapshotSent'; readonly to: ReplicaId; readonly index: LogIndex }
  /** Log and space are a snapshot's of everything up to `index`; nothing before it is applied here. */
  | { readonly kind: 'snapshotInstalled'; readonly index: LogIndex; readonly term: Term }
  /** The log up to `index` is forgotten, `entries` of them with this write. */
  | { readonly kind: 'compacted'; readonly index: LogIndex; readonly entries: number }
  /** One flush: so many entries of the log, in so long. */
  | { readonly kind: 'appended'; readonly entries: number; readonly flushMs: number }
  | { readonly kind: 'applied'; readonly index: number; readonly entries: number }
  /** What this replica says is not heard: it runs on a store that is older than its promises, or says it late. Told once. */
  | { readonly kind: 'outdatedPeer'; readonly replica: ReplicaId }
  /**
   * What another replica says contradicts what this one knows for certain, and was dropped: somebody forges messages, or a replica
   * broke a promise, as one does whose disk forgets.
   */
  | { readonly kind: 'disbelieved'; readonly replica: ReplicaId; readonly why: string }
  /** A message that cannot be used was dropped; `count` of them since the start. */
  | { readonly kind: 'malformed'; readonly subject: string; readonly why: string; readonly count: number }
  /** More messages came at once than one turn takes; they are lost, as on the way. `count` of them since the start. */
  | { readonly kind: 'flooded'; readonly count: number }
  /** The replica stopped by itself and acknowledges nothing any more; it must be started again. */
  | { readonly kind: 'failed'; readonly error: Error }
