import type { Effect } from './effect.ts'
import type { Event } from './event.ts'
import type { LogIndex, ReplicaId } from './message.ts'
import { isSameSnapshot } from './snapshot-header.ts'
import type { SnapshotReader } from './snapshot-reader.ts'
import type { LogStore } from './store.ts'

/** What a leader reads for followers that get a snapshot: one state of the space for each of them, from its first chunk to its last. */
export class SnapshotSender {
  private readonly store: LogStore
  private readonly maxChunkBytes: number
  private readonly readers = new Map<ReplicaId, SnapshotReader>()

  constructor(store: LogStore, maxChunkBytes: number) {
    this.store = store
    this.maxChunkBytes = maxChunkBytes
  }

  /** The log after this stays: else it would be gone again when the snapshot has arrived. */
  get oldestIndex(): LogIndex | undefined {
    if (this.readers.size === 0) return undefined
    return Math.min(...[...this.readers.values()].map(({ header }) => header.index)) as LogIndex
  }

  read({ to, header, after }: Effect & { readonly kind: 'readSnapshot' }): Event {
    const open = this.readers.get(to)
    const goesOn = open !== undefined && header !== undefined && isSameSnapshot(open.header, header)
    const reader = goesOn ? open : this.open(to)
    const position = goesOn ? after : ''
    return {
      kind: 'snapshotRead',
      to,
      header: reader.header,
      after: position,
      ...reader.read(position, this.maxChunkBytes),
    }
  }

  release(to: ReplicaId): void {
    this.readers.get(to)?.release()
    this.readers.delete(to)
  }

  private open(to: ReplicaId): SnapshotReader {
    this.release(to)
    const reader = this.store.openSnapshot()
    this.readers.set(to, reader)
    return reader
  }
}
