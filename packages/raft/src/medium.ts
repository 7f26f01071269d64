import type { LogIndex } from './message.ts'

/** The small records of a store. Each is one value, written whole. */
export type RecordName = 'identity' | 'state' | 'base' | 'runs' | 'staged'

/** What a store's disk holds, as of one moment. */
export interface MediumView {
  /** Where it is, for people. */
  readonly place: string
  /** @throws StoreError `damaged` when it is not what was written. */
  record(name: RecordName): Uint8Array | undefined
  /**
   * Blocks of the log whose last index is in `[from, to]`, in order, each with that index.
   * @throws StoreError `damaged` when one is not what was written.
   */
  blocks(from: LogIndex, to: LogIndex): Iterable<readonly [last: LogIndex, bytes: Uint8Array]>
  value(generation: number, key: string): Uint8Array | undefined
  /** Values of one generation of the space whose key starts with `prefix` and lies after `after`, in key order. */
  values(
    generation: number,
    prefix: string,
    after: string,
    limit: number,
  ): Iterable<readonly [key: string, value: Uint8Array]>
}

/** Changes of one commit. */
export interface MediumWriter {
  putRecord(name: RecordName, bytes: Uint8Array): void
  removeRecord(name: RecordName): void
  /** `last` is the index of its last entry. */
  putBlock(last: LogIndex, bytes: Uint8Array): void
  removeBlock(last: LogIndex): void
  putValue(generation: number, key: string, value: Uint8Array): void
  removeValue(generation: number, key: string): void
}

/** What is under a store: ordered keys whose commits are atomic and durable. Its own reads see what was committed last. */
export interface Medium extends MediumView {
  /** Last indexes of the blocks that have them in `[from, to]`: the lowest ones, or the highest when `highest`. */
  blockIndexes(from: LogIndex, to: LogIndex, limit: number, highest?: boolean): readonly LogIndex[]
  /** Generations of the space of which there is any value. */
  generations(): readonly number[]
  /**
   * Does what `write` asks for, all of it or nothing, after earlier commits. `write` is called at once. When the promise resolves
   * the device holds it. `inPlace` permits it to keep the thread meanwhile, where the device is quick.
   * @throws StoreError `full` or `failed`, by rejection.
   */
  commit(write: (writer: MediumWriter) => void, inPlace?: boolean): Promise<void>
  /** A view that stays as it is while commits go on, until it is released. */
  pin(): PinnedView
  close(): Promise<void>
}

export interface PinnedView extends MediumView {
  release(): void
}
