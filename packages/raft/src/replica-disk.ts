import { maxHeaderBytes } from './codec.ts'
import { nextCompaction } from './compaction.ts'
import type { Effect } from './effect.ts'
import type { Event } from './event.ts'
import { invariant } from './invariant.ts'
import { plus } from './log.ts'
import type { LogIndex } from './message.ts'
import type { RaftEvent } from './notice.ts'
import type { RaftSettings } from './settings.ts'
import { maxChunkHeaderBytes } from './snapshot-codec.ts'
import { SnapshotSender } from './snapshot-sender.ts'
import { OverlaySpace } from './space.ts'
import type { LogStore, StoreBatch } from './store.ts'

/** A write of no more entries is made in place: more of them come when there is more to do than to wait for the disk. */
const maxEntriesInPlace = 4

export type DiskEffect = Extract<
  Effect,
  { readonly kind: 'persist' | 'install' | 'load' | 'readSnapshot' | 'releaseSnapshot' }
>

/** What a replica does with what its disk did. */
export interface DiskListener {
  happen(event: Event): void
  tell(event: RaftEvent): void
  /** Ends the measurement of a flush, in milliseconds. */
  flushed(): number
  /** Looks at the state that a snapshot brought. What it throws stops the replica. */
  installed(): void
  /** Whether others wait for what this replica sends: it leaves only after the turn. */
  isAwaited(): boolean
  /** What else is to be remembered with a write, when it is new. */
  peerStarts(): StoreBatch['peerStarts']
  fail(error: unknown): void
}

/** A replica's store as its shell drives it: one write at a time, with all that was applied when it leaves. */
export class ReplicaDisk {
  readonly space: OverlaySpace
  appliedIndex: LogIndex
  private readonly store: LogStore
  private readonly settings: RaftSettings
  private readonly listener: DiskListener
  private readonly snapshots: SnapshotSender
  private isClosed = false

  constructor(store: LogStore, settings: RaftSettings, listener: DiskListener) {
    this.store = store
    this.settings = settings
    this.listener = listener
    this.space = new OverlaySpace(store)
    this.appliedIndex = store.state.appliedIndex
    this.snapshots = new SnapshotSender(store, settings.maxAppendBytes - maxChunkHeaderBytes - maxHeaderBytes)
  }

  perform(effect: DiskEffect): void {
    switch (effect.kind) {
      case 'persist':
        this.persist(effect)
        return
      case 'install':
        this.install(effect)
        return
      case 'load':
        this.load(effect)
        return
      case 'readSnapshot':
        this.listener.happen(this.snapshots.read(effect))
        return
      case 'releaseSnapshot':
        this.snapshots.release(effect.to)
        return
    }
  }

  /** What is written meanwhile is told to nobody any more. */
  close(): void {
    this.isClosed = true
  }

  private persist(effect: Effect & { readonly kind: 'persist' }): void {
    const { write, hardState, entries, membership, chunk, neededIndex } = effect
    const { store, space } = this
    const compactTo = nextCompaction(store, this.settings, { snapshotIndex: this.snapshots.oldestIndex, neededIndex })
    const { index: before } = store.base
    const applied =
      membership === undefined
        ? { ...store.state, changes: new Map() }
        : { appliedIndex: this.appliedIndex, membership, changes: space.take() }
    const batch = { ...applied, hardState, entries, compactTo, chunk, peerStarts: this.listener.peerStarts() }
    const inPlace = !this.listener.isAwaited() && entries.length <= maxEntriesInPlace
    this.whenWritten(store.write(batch, inPlace), write, () => {
      space.landed()
      this.listener.tell({ kind: 'appended', entries: entries.length, flushMs: this.listener.flushed() })
      if (compactTo !== undefined)
        this.listener.tell({ kind: 'compacted', index: compactTo, entries: compactTo - before })
    })
  }

  private install({ write, hardState, header }: Effect & { readonly kind: 'install' }): void {
    this.whenWritten(this.store.install(hardState, header), write, () => {
      this.space.replaced()
      this.appliedIndex = header.index
      this.listener.installed()
    })
  }

  private whenWritten(written: Promise<void>, write: number, then: () => void): void {
    written
      .then(() => {
        if (this.isClosed) return
        then()
        this.listener.happen({ kind: 'persisted', write })
      })
      .catch((error: unknown) => this.listener.fail(error))
  }

  private load({ to, prevIndex }: Effect & { readonly kind: 'load' }): void {
    const { maxEntriesPerAppend, maxAppendBytes } = this.settings
    const prevTerm = this.store.termAt(prevIndex)
    if (prevTerm === undefined) {
      this.listener.happen({ kind: 'compacted', to, prevIndex })
      return
    }
    const entries = this.store.read(plus(prevIndex, 1), maxEntriesPerAppend, maxAppendBytes)
    invariant(entries.length > 0, `entry ${prevIndex + 1} is on disk, since memory let it go`)
    this.listener.happen({ kind: 'loaded', to, prevIndex, prevTerm, entries })
  }
}
