import { expect, test } from 'vitest'
import { InvariantError } from '../src/invariant.ts'
import type { LogIndex, ReplicaId, Term } from '../src/message.ts'
import type { SnapshotHeader } from '../src/snapshot-header.ts'
import { type LogStore, maxCompactedPerWrite, type StagedChunk } from '../src/store.ts'
import { batchOf, entryAt, identity, type StorePlace } from './store-contract.ts'

const hardState = { term: 4 as Term, votedFor: undefined }

export function headerAt(index: number, term = 3): SnapshotHeader {
  const voters = ['n1', 'n2', 'n4'] as ReplicaId[]
  return { index: index as LogIndex, term: term as Term, membership: { index: 2 as LogIndex, voters, learners: [] } }
}

/** A chunk of values that say where they come from. */
export function chunkAt(header: SnapshotHeader, after: string, keys: readonly string[]): StagedChunk {
  return {
    header,
    after,
    values: keys.map((key) => [key, Buffer.from(`${header.index} ${key}`)]),
    checksum: keys.length,
  }
}

export function spaceOf(store: Pick<LogStore, 'list'>): readonly string[] {
  return store.list('', 1_000_000).map(([key, value]) => `${key}=${Buffer.from(value).toString()}`)
}

/** A store with ten entries in its log, all applied, and a space made of them. */
async function written(place: StorePlace): Promise<LogStore> {
  await place.init(identity)
  const store = await place.open(identity)
  const entries = Array.from({ length: 10 }, (_, at) => entryAt(at + 1, at < 5 ? 1 : 2))
  const changes = new Map(['a', 'b', 'c'].map((key) => [key, Buffer.from(`own ${key}`)]))
  await store.write(batchOf({ entries, changes, appliedIndex: 10 as LogIndex }))
  return store
}

async function reopened(place: StorePlace, store: LogStore): Promise<LogStore> {
  await store.close()
  return place.open(identity)
}

/** What every LogStore promises of snapshots, of what is compacted, and of how often it was started. */
export function describeSnapshots(run: (body: (place: StorePlace) => Promise<void>) => Promise<void>): void {
  test('a compacted log begins later, remembers the term before its first entry, and stays so', () =>
    run(async (place) => {
      const store = await written(place)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, compactTo: 4 as LogIndex }))
      const check = (one: LogStore): void => {
        expect(one.base).toMatchObject({ index: 4, term: 1 })
        expect(one.lastIndex).toBe(10)
        expect(() => one.read(4 as LogIndex, 1, 100)).toThrow(InvariantError)
        expect(one.read(5 as LogIndex, 2, 100).map(({ index }) => index)).toEqual([5, 6])
        expect([3, 4, 5, 6, 11].map((index) => one.termAt(index as LogIndex))).toEqual([undefined, 1, 1, 2, undefined])
      }
      check(store)
      const again = await reopened(place, store)
      check(again)
      await again.close()
    }))

  test('what a write under way forgets is no part of the log any more, though the write may not have been told of yet', () =>
    run(async (place) => {
      const store = await written(place)
      const writing = store.write(batchOf({ appliedIndex: 10 as LogIndex, compactTo: 4 as LogIndex }))
      expect([3, 4, 5].map((index) => store.termAt(index as LogIndex))).toEqual([undefined, 1, 1])
      expect(() => store.read(4 as LogIndex, 1, 100)).toThrow(InvariantError)
      await writing
      await store.close()
    }))

  test('a log can be compacted to its very end, and goes on from there', () =>
    run(async (place) => {
      const store = await written(place)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, compactTo: 10 as LogIndex }))
      expect(store.lastIndex).toBe(10)
      const again = await reopened(place, store)
      expect([again.lastIndex, again.termAt(10 as LogIndex)]).toEqual([10, 2])
      const reader = again.openSnapshot()
      expect(reader.header).toMatchObject({ index: 10, term: 2 })
      reader.release()
      await again.write(batchOf({ appliedIndex: 10 as LogIndex, entries: [entryAt(11, 3)] }))
      expect(again.read(11 as LogIndex, 5, 100)).toHaveLength(1)
      await again.close()
    }))

  test('entries that are not applied on disk are never compacted, nor more at a time than one write may remove', () =>
    run(async (place) => {
      const store = await written(place)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, entries: [entryAt(11, 2)] }))
      const beyond = batchOf({ appliedIndex: 11 as LogIndex, compactTo: 11 as LogIndex })
      await expect(store.write(beyond)).rejects.toThrow(InvariantError)
      const count = maxCompactedPerWrite + 1
      const entries = Array.from({ length: count }, (_, at) => entryAt(at + 12, 2))
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, entries }))
      await store.write(batchOf({ appliedIndex: (11 + count) as LogIndex }))
      const tooMany = batchOf({ appliedIndex: (11 + count) as LogIndex, compactTo: count as LogIndex })
      await expect(store.write(tooMany)).rejects.toThrow(InvariantError)
      await store.close()
    }))

  test('a reader shows the space, and the index and term that it belongs to, as they were when it was opened', () =>
    run(async (place) => {
      const store = await written(place)
      const reader = store.openSnapshot()
      expect(reader.header).toMatchObject({ index: 10, term: 2, membership: { voters: identity.members } })
      const changes = new Map([
        ['a', undefined],
        ['b', Buffer.from('new')],
        ['d', Buffer.from('new')],
      ])
      const entries = [entryAt(11, 3)]
      await store.write(batchOf({ entries, changes, appliedIndex: 11 as LogIndex, compactTo: 10 as LogIndex }))
      const first = reader.read('', 40)
      expect(first.values.map(([key, value]) => [key, Buffer.from(value).toString()])).toEqual([['a', 'own a']])
      expect(first.done).toBe(false)
      const rest = reader.read('a', 1_000)
      expect(rest.values.map(([, value]) => Buffer.from(value).toString())).toEqual(['own b', 'own c'])
      expect(rest.done).toBe(true)
      reader.release()
      const next = store.openSnapshot()
      expect(next.header).toMatchObject({ index: 11, term: 3 })
      expect(next.read('', 1_000).values.map(([key]) => key)).toEqual(['b', 'c', 'd'])
      next.release()
      await store.close()
    }))

  test('staged values are no part of the space, and staging goes on after a restart where it was', () =>
    run(async (place) => {
      const store = await written(place)
      const header = headerAt(50)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(header, '', ['b', 'x']) }))
      expect(spaceOf(store)).toEqual(['a=own a', 'b=own b', 'c=own c'])
      const again = await reopened(place, store)
      expect(spaceOf(again)).toEqual(['a=own a', 'b=own b', 'c=own c'])
      expect(again.staged).toMatchObject({ header, position: 'x', checksum: 2 })
      await again.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(header, 'x', ['y']) }))
      await again.install(hardState, header)
      expect(spaceOf(again)).toEqual(['b=50 b', 'x=50 x', 'y=50 y'])
      await again.close()
    }))

  test('a chunk that does not continue what is staged is no chunk', () =>
    run(async (place) => {
      const store = await written(place)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(headerAt(50), '', ['b', 'x']) }))
      for (const chunk of [chunkAt(headerAt(50), 'b', ['c']), chunkAt(headerAt(51), 'x', ['y'])]) {
        await expect(store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk }))).rejects.toThrow(InvariantError)
      }
      await store.close()
    }))

  test('an installed snapshot is the space, the base and the membership; the log that it replaces is gone', () =>
    run(async (place) => {
      const store = await written(place)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, entries: [11, 12, 13].map((at) => entryAt(at, 2)) }))
      const header = headerAt(12)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(header, '', ['b', 'x']) }))
      await store.install(hardState, header)
      const check = (one: LogStore): void => {
        expect(spaceOf(one)).toEqual(['b=12 b', 'x=12 x'])
        expect(one.state).toEqual({ hardState, appliedIndex: 12, membership: header.membership })
        expect([one.base.index, one.base.term, one.lastIndex, one.staged]).toEqual([12, 3, 12, undefined])
        expect(one.read(13 as LogIndex, 5, 1_000)).toEqual([])
      }
      check(store)
      const again = await reopened(place, store)
      check(again)
      await again.write(batchOf({ ...again.state, entries: [entryAt(13, 4)] }))
      const last = await reopened(place, again)
      expect(last.read(13 as LogIndex, 5, 1_000).map(({ term }) => term)).toEqual([4])
      await last.close()
    }))

  test('a snapshot that is begun anew has nothing of the one before, nor of one that was installed', () =>
    run(async (place) => {
      let store = await written(place)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(headerAt(50), '', ['b', 'x']) }))
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(headerAt(60), '', ['c']) }))
      store = await reopened(place, store)
      await store.install(hardState, headerAt(60))
      expect(spaceOf(store)).toEqual(['c=60 c'])
      await store.write(batchOf({ ...store.state, chunk: chunkAt(headerAt(70), '', []) }))
      store = await reopened(place, store)
      await store.install(hardState, headerAt(70))
      expect(spaceOf(store)).toEqual([])
      await store.close()
    }))

  test('a snapshot that is begun anew after a restart has nothing of the one before', () =>
    run(async (place) => {
      let store = await written(place)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(headerAt(50), '', ['b', 'x']) }))
      store = await reopened(place, store)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(headerAt(60), '', ['c']) }))
      await store.install(hardState, headerAt(60))
      expect(spaceOf(store)).toEqual(['c=60 c'])
      await store.close()
    }))

  test('what is applied never goes back, and a log whose terms do is damaged', () =>
    run(async (place) => {
      const store = await written(place)
      await expect(store.write(batchOf({ appliedIndex: 9 as LogIndex }))).rejects.toThrow(InvariantError)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, entries: [entryAt(11, 3), entryAt(12, 1)] }))
      await store.close()
      await expect(place.open(identity)).rejects.toMatchObject({ code: 'damaged' })
    }))

  test('what is staged is dropped once the log has come further', () =>
    run(async (place) => {
      const store = await written(place)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(headerAt(12), '', ['b', 'x']) }))
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, entries: [entryAt(11, 2), entryAt(12, 3)] }))
      expect(store.staged).toBeDefined()
      await store.write(batchOf({ appliedIndex: 12 as LogIndex }))
      expect(store.staged).toBeUndefined()
      await store.close()
    }))

  test('a snapshot that is not staged, or older than the space, is not installed', () =>
    run(async (place) => {
      const store = await written(place)
      await expect(store.install(hardState, headerAt(50))).rejects.toThrow(InvariantError)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(headerAt(50), '', ['b']) }))
      await expect(store.install(hardState, headerAt(50, 2))).rejects.toThrow(InvariantError)
      await store.write(batchOf({ appliedIndex: 10 as LogIndex, chunk: chunkAt(headerAt(10), '', ['b']) }))
      await expect(store.install(hardState, headerAt(10))).rejects.toThrow(InvariantError)
      await store.close()
    }))

  test('starts are counted once there is a write, and the highest of others are remembered', () =>
    run(async (place) => {
      await place.init(identity)
      let store = await place.open(identity)
      expect(store.starts).toBe(1)
      store = await reopened(place, store)
      expect(store.starts).toBe(1)
      await store.write(batchOf({}))
      store = await reopened(place, store)
      expect([store.starts, store.peerStarts.size]).toEqual([2, 0])
      await store.write(batchOf({ peerStarts: new Map([['n2' as ReplicaId, 7]]) }))
      store = await reopened(place, store)
      expect([store.starts, store.peerStarts.get('n2' as ReplicaId)]).toEqual([3, 7])
      await store.write(batchOf({}))
      store = await reopened(place, store)
      expect([store.starts, store.peerStarts.get('n2' as ReplicaId)]).toEqual([4, 7])
      await store.close()
    }))
}
