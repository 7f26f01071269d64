/** Name of one replica, unique for ever: a replica that lost its disk comes back under another. */
export type ReplicaId = string & { readonly __brand: 'ReplicaId' }
/** A leader's reign. Starts at 0 (nobody yet) and only grows. */
export type Term = number & { readonly __brand: 'Term' }
/** Position in the log. The first entry has index 1; 0 means "before the log". */
export type LogIndex = number & { readonly __brand: 'LogIndex' }

/** One entry of the log. A `noop` opens a leader's term (Raft dissertation, section 6.4). */
export interface Entry {
  readonly term: Term
  readonly index: LogIndex
  readonly kind: 'command' | 'noop'
  readonly command: Uint8Array
}
