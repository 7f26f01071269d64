import { ConfigurationError } from './errors.ts'
import { maxReplicaIdBytes, maxReplicas } from './membership.ts'
import { maxChunkHeaderBytes } from './snapshot-codec.ts'
import { valueOverheadBytes } from './snapshot-values.ts'
import { maxKeyLength, maxValueBytes } from './space.ts'

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
  /**
   * Appends on their way to one follower: enough to hide a round trip behind a flush; what waits becomes one larger append. Times
   * `maxAppendBytes`, it bounds the bytes on their way to one follower.
   */
  readonly maxAppendsInFlight: number
  /** Proposals that wait to be committed; more are refused at once, so that memory and waiting time stay bounded. */
  readonly maxUncommittedEntries: number
  readonly maxUncommittedBytes: number
  /** Questions "am I still the leader?" that wait for an answer; more are refused at once. */
  readonly maxReadsWaiting: number
  /** A learner that is further behind the leader is not made a voter: it would hold up commitment. About one append. */
  readonly maxPromotionLag: number
  /**
   * Messages of others that one turn of the replica takes; more are lost, as on their way. Far more than all followers can have
   * under way: only somebody who sends in error reaches it.
   */
  readonly maxMessagesPerTurn: number
  readonly maxMessageBytesPerTurn: number
  /** Applied entries kept in memory for followers that lag a little; older ones are read from the store. */
  readonly entriesInMemory: number
  readonly bytesInMemory: number
  /**
   * What stays of the log on disk behind what is applied, for followers that lag: whichever of the two is reached first ends it. Who
   * lags further gets the whole space instead, and more stays until it has come in. A replica looks at all of it when it starts.
   */
  readonly retainedEntries: number
  readonly retainedBytes: number
  /** A chunk of a snapshot that is not answered is sent again: above a flush on a busy disk. */
  readonly snapshotResendMs: number
  /** A snapshot for a follower that does not come further is given up: while it is open the store cannot use room again. */
  readonly snapshotPatienceMs: number
  /**
   * A follower that has got a snapshot, and does not come nearer to the log's end for so long, is no longer waited for: the log grows
   * meanwhile. Above a restart of the follower, or a stall of its disk, and what it takes to make up for them under load.
   */
  readonly catchUpPatienceMs: number
  /**
   * What was applied is written with the next entries once it comes from so many, or after this time, whichever is first: a restart
   * redoes little.
   */
  readonly applyFlushEntries: number
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
  maxPromotionLag: 1024,
  maxMessagesPerTurn: 4096,
  maxMessageBytesPerTurn: 16 * 1024 * 1024,
  entriesInMemory: 4096,
  bytesInMemory: 8 * 1024 * 1024,
  retainedEntries: 100_000,
  retainedBytes: 64 * 1024 * 1024,
  snapshotResendMs: 500,
  snapshotPatienceMs: 10_000,
  catchUpPatienceMs: 30_000,
  applyFlushEntries: 64,
  applyFlushMs: 200,
}

/** The largest membership fits with room to spare. */
const minAppendBytes = 2 * maxReplicas * maxReplicaIdBytes

/** A chunk of a snapshot brings one value at least, whole. */
const minPayloadBytes = maxChunkHeaderBytes + maxKeyLength + valueOverheadBytes + maxValueBytes

/** What a time-out must be above, in heartbeats: with less, one lost heartbeat would depose a leader. */
const minHeartbeatsPerElection = 2

/**
 * @throws ConfigurationError when they cannot be meant so: a bound that is no positive whole number, an election time-out that does
 * not leave room for heartbeats, one shorter at most than at least.
 */
export function checkSettings(settings: RaftSettings): void {
  for (const [name, value] of Object.entries(settings)) {
    const isWhole = name.endsWith('Ms') || Number.isSafeInteger(value)
    if (typeof value === 'number' && Number.isFinite(value) && isWhole && value > 0) continue
    throw new ConfigurationError(
      `The setting ${name} is ${String(value)}; expected a positive ${name.endsWith('Ms') ? 'number of milliseconds' : 'whole number'}.`,
    )
  }
  const { heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs, maxAppendBytes } = settings
  if (electionTimeoutMinMs < minHeartbeatsPerElection * heartbeatMs) {
    throw new ConfigurationError(
      `The shortest election time-out is ${electionTimeoutMinMs} ms with a heartbeat each ${heartbeatMs} ms; expected at least ` +
        `${minHeartbeatsPerElection} heartbeats in it, better ten.`,
    )
  }
  if (electionTimeoutMaxMs < electionTimeoutMinMs) {
    throw new ConfigurationError(
      `The longest election time-out is ${electionTimeoutMaxMs} ms, the shortest ${electionTimeoutMinMs} ms; expected the longest to be ` +
        'longer, so that not all replicas stand at the same moment.',
    )
  }
  if (maxAppendBytes < minAppendBytes) {
    throw new ConfigurationError(
      `An append has at most ${maxAppendBytes} bytes by setting or by the bus; expected at least ${minAppendBytes}, so that it can bring ` +
        'any membership.',
    )
  }
}

/**
 * @throws ConfigurationError when the bus cannot carry each value that the space may have: a leader would fail with the first one that
 * does not fit, and so would the next.
 */
export function checkPayload(maxPayloadBytes: number): void {
  if (maxPayloadBytes >= minPayloadBytes) return
  throw new ConfigurationError(
    `The bus carries at most ${maxPayloadBytes} bytes in one message; expected at least ${minPayloadBytes}, so that a snapshot can bring ` +
      'any value of the space. Raise max_payload of the NATS server; 1 MiB, its default, is enough.',
  )
}
