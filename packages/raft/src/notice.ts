import type { ReplicaId, Term } from './message.ts'

/** What happened in a replica, for whoever watches or builds on it. */
export type RaftEvent =
  /** The replica leads, and everything committed before its term is applied here: it is ready to serve. */
  | { readonly kind: 'becameLeader'; readonly term: Term }
  /** Follows each `becameLeader`, once. */
  | { readonly kind: 'lostLeadership'; readonly term: Term; readonly why: string }
  | { readonly kind: 'leaderChanged'; readonly term: Term; readonly leader: ReplicaId | undefined }
  | { readonly kind: 'electionStarted'; readonly term: Term }
  /** One flush: so many entries of the log, in so long. */
  | { readonly kind: 'appended'; readonly entries: number; readonly flushMs: number }
  | { readonly kind: 'applied'; readonly index: number; readonly entries: number }
  /** A message that cannot be used was dropped; `count` of them since the start. */
  | { readonly kind: 'malformed'; readonly subject: string; readonly why: string; readonly count: number }
  /** The replica stopped by itself and acknowledges nothing any more; it must be started again. */
  | { readonly kind: 'failed'; readonly error: Error }
