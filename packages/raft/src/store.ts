import type { Entry, LogIndex, ReplicaId } from './message.ts'
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
}

/** One atomic write. */
export interface StoreBatch extends StoredState {
  /** Take the place of whatever the log holds from the first of them on. */
  readonly entries: readonly Entry[]
  /** Changes of the state space; undefined removes a key. */
  readonly changes: ReadonlyMap<string, Uint8Array | undefined>
}

/**
 * What a replica keeps on disk: log, term and vote, and the state machine's space. A store is opened by one replica at a time,
 * and only if it was initialised for this replica of this group before: a replica that lost its disk has lost its promises with
 * it, and must not come back under its id.
 */
export interface LogStore {
  /** What the disk holds. */
  readonly state: StoredState
  /** The log's last entry on disk; 0 when there is none. */
  readonly lastIndex: LogIndex
  /**
   * Entries on disk from `from` on, until the bounds are reached, but at least one if there is one.
   * @throws StoreError `damaged` when an entry is not what was written.
   */
  read(from: LogIndex, maxEntries: number, maxBytes: number): readonly Entry[]
  /** The value of a key of the state space on disk. */
  get(key: string): Uint8Array | undefined
  /** As `StateSpace.list`, of what is on disk. */
  list(prefix: string, limit: number, after?: string): readonly (readonly [key: string, value: Uint8Array])[]
  /**
   * Writes a batch, all of it or nothing; one at a time. When the promise resolves the device holds it: it survives a power
   * cut. When it rejects, it may have happened or not, and the store takes no further write.
   * @throws StoreError `failed`, by rejection, when the disk is full or broken.
   */
  write(batch: StoreBatch): Promise<void>
  /** Waits for writes under way, then lets go of the disk. */
  close(): Promise<void>
}
