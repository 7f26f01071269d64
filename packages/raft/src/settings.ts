/** Timing and bounds of one replica. All replicas of a group should have the same. */
export interface RaftSettings {
  /** How often a leader speaks to each follower. Ten of them in the shortest election time-out: a few may be lost. */
  readonly heartbeatMs: number
  /**
   * A follower that heard nothing from a leader for a time drawn between these two starts an election. The shortest is also
   * how long a replica that heard from a leader refuses to help to depose it, and how long a leader leads without hearing
   * from a majority. Far above a flush on a busy disk and a pause of the garbage collector.
   */
  readonly electionTimeoutMinMs: number
  readonly electionTimeoutMaxMs: number
  /** Entries in one append: past about a thousand the cost of each no longer falls. */
  readonly maxEntriesPerAppend: number
  /** Bytes in one append: a flush grows with the size beyond this; it must stay below the bus's largest payload. */
  readonly maxAppendBytes: number
  /** Appends on their way to one follower: enough to hide a round trip behind a flush; what waits becomes one larger append. */
  readonly maxAppendsInFlight: number
  /** Proposals that wait to be committed; more are refused at once, so that memory and waiting time stay bounded. */
  readonly maxUncommittedEntries: number
  readonly maxUncommittedBytes: number
  /** Questions "am I still the leader?" that wait for an answer; more are refused at once. */
  readonly maxReadsWaiting: number
  /** Applied entries kept in memory for followers that lag a little; older ones are read from the store. */
  readonly entriesInMemory: number
  readonly bytesInMemory: number
  /** What was applied is written with the next entries, or after this time when none come: a restart redoes little. */
  readonly applyFlushMs: number
}

export const defaultSettings: RaftSettings = {
  heartbeatMs: 50,
  electionTimeoutMinMs: 500,
  electionTimeoutMaxMs: 1000,
  maxEntriesPerAppend: 1024,
  maxAppendBytes: 256 * 1024,
  maxAppendsInFlight: 4,
  maxUncommittedEntries: 16_384,
  maxUncommittedBytes: 16 * 1024 * 1024,
  maxReadsWaiting: 16_384,
  entriesInMemory: 4096,
  bytesInMemory: 8 * 1024 * 1024,
  applyFlushMs: 200,
}
