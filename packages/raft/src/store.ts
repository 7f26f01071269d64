import type { LogSizes } from './log-sizes.ts'
import type { PlacedMembership } from './membership.ts'
import type { Entry, LogIndex, ReplicaId, Term } from './message.ts'
import type { SnapshotHeader } from './snapshot-header.ts'
import type { SnapshotReader } from './snapshot-reader.ts'
import type { SpaceValues } from './snapshot-values.ts'
import type { HardState } from './state.ts'

/** Whose store it is. Written once, when the group is made, and checked whenever the store is opened. */
export interface StoreIdentity {
  /** The group, with whatever makes it another one than an earlier group of the same name. */
  readonly group: string
  readonly replica: ReplicaId
  readonly members: readonly ReplicaId[]
}

/** Small things that the disk holds. */
export interface StoredState {
  readonly hardState: HardState
  /** The state space is what the entries up to here have made of it. */
  readonly appliedIndex: LogIndex
  /** Who was in the group at that index. */
  readonly membership: PlacedMembership
}

/** The position right before the log's first entry: up to here the log was compacted, or a snapshot took its place. */
export interface LogBase {
  readonly index: LogIndex
  readonly term: Term
}

/** A snapshot that comes in: how far its values are on disk. They are not part of the space until it is installed. */
export interface StagedSnapshot {
  readonly header: SnapshotHeader
  /** The last key of those staged; empty when none is. */
  readonly position: string
  /** Checksum over all chunks so far. */
  readonly checksum: number
}

/** Values of a snapshot, right after those that are staged. */
export interface StagedChunk {
  readonly header: SnapshotHeader
  /** The position that it continues; empty for the first: what was staged before it is dropped then. */
  readonly after: string
  readonly values: SpaceValues
  /** Checksum over all chunks of the snapshot, this one included. */
  readonly checksum: number
}

/** One atomic write. */
export interface StoreBatch extends StoredState {
  /** Take the place of whatever the log holds from the first of them on. */
  readonly entries: readonly Entry[]
  /** Changes of the state space; undefined removes a key. */
  readonly changes: ReadonlyMap<string, Uint8Array | undefined>
  /** Forget entries up to here, all of them applied: at most `maxCompactedPerWrite`. */
  readonly compactTo?: LogIndex | undefined
  readonly chunk?: StagedChunk | undefined
  /** The highest count of starts heard from each other replica, when it changed. */
  readonly peerStarts?: ReadonlyMap<ReplicaId, number> | undefined
}

/** Entries that one write removes at most beside what it adds: a write stays short, whatever is to be removed. */
export const maxCompactedPerWrite = 1024

/**
 * What a replica keeps on disk: log, term and vote, and the state machine's space. A store is opened by one replica at a time,
 * and only if it was initialised for this replica of this group before: a replica that lost its disk has lost its promises with
 * it, and must not come back under its id.
 */
export interface LogStore {
  /** What the disk holds. */
  readonly state: StoredState
  readonly base: LogBase
  /** The log's last entry on disk; the base when there is none. */
  readonly lastIndex: LogIndex
  readonly sizes: LogSizes
  readonly staged: StagedSnapshot | undefined
  /**
   * How often the store was opened and then written to, this time included. The number is on disk with the first write, so that a
   * copy of the store of an earlier time is known by it: what promised something, under a number, wrote first.
   */
  readonly starts: number
  /** The highest `starts` that each other replica was heard with. */
  readonly peerStarts: ReadonlyMap<ReplicaId, number>
  /**
   * Entries on disk from `from` on, until the bounds are reached, but at least one if there is one. `from` lies after the base.
   * @throws StoreError `damaged` when an entry is not what was written.
   */
  read(from: LogIndex, maxEntries: number, maxBytes: number): readonly Entry[]
  /** The term of an entry on disk, or of the base; undefined for any other position. */
  termAt(index: LogIndex): Term | undefined
  /** The value of a key of the state space on disk. */
  get(key: string): Uint8Array | undefined
  /** As `StateSpace.list`, of what is on disk. */
  list(prefix: string, limit: number, after?: string): readonly (readonly [key: string, value: Uint8Array])[]
  /**
   * Writes a batch, all of it or nothing; one write or installation at a time. When the promise resolves the device holds it: it
   * survives a power cut. When it rejects, it may have happened or not, and the store takes no further write. `inPlace` permits the
   * store to keep the thread meanwhile, where its disk is quick: that spares two changes of thread.
   * @throws StoreError `full` or `failed`, by rejection, when the disk is full or broken.
   */
  write(batch: StoreBatch, inPlace?: boolean): Promise<void>
  /**
   * Makes the staged snapshot, which is complete, the space, and its index and term the base of a log without entries, in one
   * atomic write; as `write` otherwise. What it takes the place of is removed later, bit by bit, along with other writes.
   */
  install(hardState: HardState, header: SnapshotHeader): Promise<void>
  /** The space as it is on disk now. */
  openSnapshot(): SnapshotReader
  /** Waits for writes under way, then lets go of the disk. Snapshots that are open end with it. */
  close(): Promise<void>
}
