import { invariant } from './invariant.ts'
import { entriesIn } from './log-blocks.ts'
import type { PinnedView } from './medium.ts'
import type { LogIndex, ReplicaId, Term } from './message.ts'
import { damaged, decodeBase, decodeStoredState, type StoredBase } from './record.ts'
import type { SnapshotHeader } from './snapshot-header.ts'
import { type SpaceValues, valueOverheadBytes } from './snapshot-values.ts'

/** A state of the space that stays as it was while writing goes on. To be released when done: what it shows cannot be reused. */
export interface SnapshotReader {
  readonly header: SnapshotHeader
  /** Values after a position, as many as fit into `maxBytes`, but at least one if there is one. */
  read(after: string, maxBytes: number): { readonly values: SpaceValues; readonly done: boolean }
  release(): void
}

/** Reads the space, and what it is the state of, from one view: the two belong together whatever is written meanwhile. */
export function openReader(view: PinnedView, place: string, members: readonly ReplicaId[]): SnapshotReader {
  const record = view.record('state')
  if (record === undefined) throw damaged(place, 'term and vote')
  const { appliedIndex: index, membership } = decodeStoredState(record, place, members)
  const base = decodeBase(view.record('base'), place)
  const header = { index, term: termOf(view, base, index), membership }
  return {
    header,
    read: (after, maxBytes) => readValues(view, base.generation, after, maxBytes),
    release: () => view.release(),
  }
}

function termOf(view: PinnedView, base: StoredBase, index: LogIndex): Term {
  if (index === base.index) return base.term
  const [found] = entriesIn(view, index, index)
  invariant(found !== undefined, `entry ${index}, the last that is applied, is in the log`)
  return found.term
}

function readValues(
  view: PinnedView,
  generation: number,
  after: string,
  maxBytes: number,
): ReturnType<SnapshotReader['read']> {
  const values: (readonly [string, Uint8Array])[] = []
  let bytes = 0
  for (const [key, value] of view.values(generation, '', after, Number.MAX_SAFE_INTEGER)) {
    bytes += key.length + value.length + valueOverheadBytes
    if (bytes > maxBytes && values.length > 0) return { values, done: false }
    values.push([key, value])
  }
  return { values, done: true }
}
