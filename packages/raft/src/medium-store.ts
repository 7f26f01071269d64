import { invariant } from './invariant.ts'
import { Leftovers } from './leftovers.ts'
import { entryBytes, plus } from './log.ts'
import { blocksOf, encodeBlock, entriesIn, headOf } from './log-blocks.ts'
import { LogSizes } from './log-sizes.ts'
import type { Medium, MediumWriter } from './medium.ts'
import type { Entry, LogIndex, ReplicaId, Term } from './message.ts'
import {
  checkIdentity,
  damaged,
  decodeBase,
  decodeRuns,
  decodeStaged,
  decodeStoredState,
  encodeBase,
  encodeIdentity,
  encodeRuns,
  encodeStaged,
  encodeStoredState,
  foundingState,
  type StoredBase,
  type StoredStaged,
} from './record.ts'
import { isSameSnapshot, type SnapshotHeader } from './snapshot-header.ts'
import { openReader, type SnapshotReader } from './snapshot-reader.ts'
import type { HardState } from './state.ts'
import {
  type LogStore,
  maxCompactedPerWrite,
  type StagedChunk,
  type StoreBatch,
  type StoredState,
  type StoreIdentity,
} from './store.ts'

/** Removed at most along with one write, of what a snapshot took the place of. */
const maxLeftoversPerWrite = 256

/** The records of a new store. @throws ConfigurationError when the group cannot be made so. */
export function putFirstRecords(writer: MediumWriter, identity: StoreIdentity): void {
  const state = foundingState(identity)
  writer.putRecord('identity', encodeIdentity(identity))
  writer.putRecord('state', encodeStoredState(state))
}

/** The one store there is: what it keeps and in which order, on whatever medium. */
export class MediumStore implements LogStore {
  state: StoredState
  base: StoredBase
  lastIndex: LogIndex
  readonly sizes: LogSizes = new LogSizes()
  staged: StoredStaged | undefined
  readonly starts: number
  peerStarts: ReadonlyMap<ReplicaId, number>
  private readonly medium: Medium
  private readonly identity: StoreIdentity
  private readonly leftovers: Leftovers
  private isNumbered = false
  private failure: unknown

  /** @throws StoreError when the medium holds no store, another's, one of a later version, or a damaged one. */
  constructor(medium: Medium, identity: StoreIdentity) {
    const { place } = medium
    checkIdentity(medium.record('identity'), identity, place)
    const state = medium.record('state')
    if (state === undefined) throw damaged(place, 'term and vote')
    const runs = decodeRuns(medium.record('runs'), place)
    this.medium = medium
    this.identity = identity
    this.state = decodeStoredState(state, place, identity.members)
    this.base = decodeBase(medium.record('base'), place)
    this.staged = decodeStaged(medium.record('staged'), place)
    this.starts = runs.starts + 1
    this.peerStarts = runs.peerStarts
    this.lastIndex = this.checkLog()
    this.leftovers = new Leftovers(medium, this.base, this.staged)
  }

  read(from: LogIndex, maxEntries: number, maxBytes: number): readonly Entry[] {
    invariant(from > this.base.index, `entry ${from} is in the log, which begins after ${this.base.index}`)
    const entries: Entry[] = []
    let bytes = 0
    const to = Math.min(from + maxEntries - 1, this.lastIndex) as LogIndex
    for (const entry of entriesIn(this.medium, from, to)) {
      if (entry.index !== plus(from, entries.length)) throw damaged(this.medium.place, `entry ${from + entries.length}`)
      bytes += entryBytes(entry)
      if (bytes > maxBytes && entries.length > 0) break
      entries.push(entry)
    }
    return entries
  }

  termAt(index: LogIndex): Term | undefined {
    if (index === this.base.index) return this.base.term
    return index < this.base.index ? undefined : this.read(index, 1, 0)[0]?.term
  }

  get(key: string): Uint8Array | undefined {
    return this.medium.value(this.base.generation, key)
  }

  list(prefix: string, limit: number, after = ''): readonly (readonly [key: string, value: Uint8Array])[] {
    return [...this.medium.values(this.base.generation, prefix, after, limit)]
  }

  async write(batch: StoreBatch, inPlace = false): Promise<void> {
    const { entries, changes, compactTo, chunk, hardState, appliedIndex, membership, peerStarts } = batch
    const { base, lastIndex } = this
    invariant(
      appliedIndex >= this.state.appliedIndex,
      `${appliedIndex} is applied, ${this.state.appliedIndex} was before`,
    )
    const last = entries.at(-1)?.index ?? lastIndex
    const state = { hardState, appliedIndex, membership }
    const nextBase = compactTo === undefined ? base : this.baseAt(compactTo)
    const staged = this.stagedAfter(chunk, appliedIndex)
    // The medium may show the change before it says that it has landed: what is being forgotten is not to be read from now on.
    this.base = nextBase
    await this.commit((writer) => {
      if (!isSameState(state, this.state)) writer.putRecord('state', encodeStoredState(state))
      this.putEntries(writer, entries)
      for (const [key, value] of changes) {
        if (value === undefined) writer.removeValue(base.generation, key)
        else writer.putValue(base.generation, key, value)
      }
      if (nextBase !== base) this.putBase(writer, nextBase, base)
      if (staged !== this.staged) putStaged(writer, staged, chunk)
      if (peerStarts !== undefined) this.putRuns(writer, peerStarts)
    }, inPlace)
    this.state = state
    this.lastIndex = last
    if (nextBase !== base) this.sizes.removedUpTo(nextBase.index)
    if (peerStarts !== undefined) this.peerStarts = peerStarts
    if (this.staged !== undefined && this.staged.generation !== staged?.generation) {
      this.leftovers.addGeneration(this.staged.generation)
    }
    this.staged = staged
  }

  async install(hardState: HardState, header: SnapshotHeader): Promise<void> {
    const { staged, base, lastIndex } = this
    invariant(staged !== undefined && isSameSnapshot(staged.header, header), `snapshot ${header.index} is staged`)
    const { index, term, membership } = header
    invariant(
      index > this.state.appliedIndex,
      `snapshot ${index} is newer than ${this.state.appliedIndex}, applied here`,
    )
    const state: StoredState = { hardState, appliedIndex: index, membership }
    const nextBase: StoredBase = { index, term, generation: staged.generation }
    await this.commit((writer) => {
      writer.putRecord('state', encodeStoredState(state))
      writer.putRecord('base', encodeBase(nextBase))
      writer.removeRecord('staged')
      // Those before it are left over. Those after it would look like the log's: they have to be gone at once.
      this.removeBlocks(writer, plus(index, 1), lastIndex)
    })
    this.state = state
    this.base = nextBase
    this.lastIndex = index
    this.sizes.removedFrom(0 as LogIndex)
    this.staged = undefined
    this.leftovers.addGeneration(base.generation)
    this.leftovers.addEntries(index)
  }

  openSnapshot(): SnapshotReader {
    return openReader(this.medium.pin(), this.medium.place, this.identity.members)
  }

  close(): Promise<void> {
    return this.medium.close()
  }

  /** With the first write goes all that makes the store this version's and this run's. A write that failed is the last one. */
  private async commit(write: (writer: MediumWriter) => void, inPlace = false): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    try {
      await this.medium.commit((writer) => {
        if (!this.isNumbered) {
          writer.putRecord('identity', encodeIdentity(this.identity))
          this.putRuns(writer, this.peerStarts)
        }
        write(writer)
        this.leftovers.remove(writer, maxLeftoversPerWrite)
      }, inPlace)
    } catch (error) {
      this.failure = error
      throw error
    }
    this.isNumbered = true
  }

  private putEntries(writer: MediumWriter, entries: readonly Entry[]): void {
    const [first] = entries
    if (first !== undefined && first.index <= this.lastIndex) this.cutFrom(writer, first.index)
    this.putBlocks(writer, entries)
    for (const entry of entries) this.sizes.added(entry.index, entryBytes(entry))
  }

  /** The log ends before `index` from now on. */
  private cutFrom(writer: MediumWriter, index: LogIndex): void {
    const head = headOf(this.medium, index)
    this.removeBlocks(writer, index, this.lastIndex)
    this.putBlocks(writer, head)
    this.sizes.removedFrom(index)
  }

  private putBlocks(writer: MediumWriter, entries: readonly Entry[]): void {
    for (const block of blocksOf(entries)) {
      const last = block.at(-1)
      if (last !== undefined) writer.putBlock(last.index, encodeBlock(block))
    }
  }

  /** Removes the blocks that end in `[from, to]`. */
  private removeBlocks(writer: MediumWriter, from: LogIndex, to: LogIndex): void {
    for (const last of this.medium.blockIndexes(from, to, to - from + 1)) writer.removeBlock(last)
  }

  private putRuns(writer: MediumWriter, peerStarts: ReadonlyMap<ReplicaId, number>): void {
    writer.putRecord('runs', encodeRuns({ starts: this.starts, peerStarts }))
  }

  private putBase(writer: MediumWriter, next: StoredBase, before: StoredBase): void {
    writer.putRecord('base', encodeBase(next))
    // A block that goes on beyond the new base stays: its first entries are no part of the log any more.
    this.removeBlocks(writer, plus(before.index, 1), next.index)
  }

  private baseAt(index: LogIndex): StoredBase {
    const { base, state } = this
    const count = index - base.index
    invariant(index <= state.appliedIndex, `entry ${index} is applied on disk before it is compacted`)
    invariant(
      count > 0 && count <= maxCompactedPerWrite,
      `1 to ${maxCompactedPerWrite} entries are compacted, not ${count}`,
    )
    const term = this.termAt(index)
    invariant(term !== undefined, `entry ${index} is in the log before it is compacted`)
    return { index, term, generation: base.generation }
  }

  /** What is staged after a write; what the log has overtaken is no longer of use. */
  private stagedAfter(chunk: StagedChunk | undefined, appliedIndex: LogIndex): StoredStaged | undefined {
    const { staged } = this
    if (chunk === undefined) return staged !== undefined && staged.header.index <= appliedIndex ? undefined : staged
    const { header, after, values, checksum } = chunk
    const position = values.at(-1)?.[0] ?? after
    if (after === '') return { header, position, checksum, generation: this.leftovers.newGeneration() }
    const continues = staged !== undefined && isSameSnapshot(staged.header, header) && staged.position === after
    invariant(continues, `the chunk after ${after} continues what is staged, up to ${staged?.position}`)
    return { header, position, checksum, generation: staged.generation }
  }

  /** Looks at each entry once: whoever leads from a damaged log would spread the damage. */
  private checkLog(): LogIndex {
    const { place } = this.medium
    let { index, term } = this.base
    const end = this.medium.blockIndexes(plus(index, 1), Number.MAX_SAFE_INTEGER as LogIndex, 1, true)[0] ?? index
    for (const entry of entriesIn(this.medium, plus(index, 1), end)) {
      index = plus(index, 1)
      if (entry.index !== index || entry.term < term) throw damaged(place, `entry ${index}`)
      term = entry.term
      this.sizes.added(index, entryBytes(entry))
    }
    if (index < end) throw damaged(place, `entry ${index + 1}`)
    const { appliedIndex } = this.state
    if (appliedIndex < this.base.index || appliedIndex > index) {
      throw damaged(place, `the log from ${this.base.index} to ${index}, of which ${appliedIndex} is applied,`)
    }
    return index
  }
}

/** A membership is replaced, and never changed. */
function isSameState(one: StoredState, other: StoredState): boolean {
  return (
    one.membership === other.membership &&
    one.appliedIndex === other.appliedIndex &&
    one.hardState.term === other.hardState.term &&
    one.hardState.votedFor === other.hardState.votedFor
  )
}

function putStaged(writer: MediumWriter, staged: StoredStaged | undefined, chunk: StagedChunk | undefined): void {
  if (staged === undefined) {
    writer.removeRecord('staged')
    return
  }
  writer.putRecord('staged', encodeStaged(staged))
  for (const [key, value] of chunk?.values ?? []) writer.putValue(staged.generation, key, value)
}
