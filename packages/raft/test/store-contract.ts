import { expect, test } from 'vitest'
import type { StoreError } from '../src/errors.ts'
import type { PlacedMembership } from '../src/membership.ts'
import type { Entry, LogIndex, ReplicaId, Term } from '../src/message.ts'
import type { LogStore, StoreBatch, StoreIdentity } from '../src/store.ts'

export const identity: StoreIdentity = {
  group: 'shop.aaaa',
  replica: 'n1' as ReplicaId,
  members: ['n1', 'n2', 'n3'] as ReplicaId[],
}

const membership: PlacedMembership = { index: 0 as LogIndex, voters: identity.members, learners: [] }

/** How a kind of store is made, opened and left; each test has a place of its own. */
export interface StorePlace {
  init(identity: StoreIdentity): Promise<void>
  open(identity: StoreIdentity): Promise<LogStore>
}

export function entryAt(index: number, term: number): Entry {
  return { index: index as LogIndex, term: term as Term, kind: 'command', command: Buffer.from(`${term}.${index}`) }
}

export function batchOf(batch: Partial<StoreBatch>): StoreBatch {
  return {
    hardState: { term: 1 as Term, votedFor: undefined },
    appliedIndex: 0 as LogIndex,
    membership,
    entries: [],
    changes: new Map(),
    ...batch,
  }
}

function texts(list: readonly (readonly [string, Uint8Array])[]): readonly string[] {
  return list.map(([key, value]) => `${key}=${Buffer.from(value).toString()}`)
}

/** Entries for comparison: stores may give their bytes in any kind of array. */
function shown(entries: readonly Entry[]): readonly string[] {
  return entries.map(({ index, term, kind, command }) => `${index} ${term} ${kind} ${Buffer.from(command).toString()}`)
}

/** What every LogStore promises. `run` gives a test a place that holds nothing yet, and cleans up after it. */
export function describeStore(run: (body: (place: StorePlace) => Promise<void>) => Promise<void>): void {
  test('what was written is there when the store is opened again', () =>
    run(async (place) => {
      await place.init(identity)
      const store = await place.open(identity)
      const hardState = { term: 3 as Term, votedFor: 'n2' as ReplicaId }
      const changes = new Map([['decision/1', Buffer.from('commit')]])
      await store.write(
        batchOf({ hardState, entries: [entryAt(1, 1), entryAt(2, 3)], appliedIndex: 1 as LogIndex, changes }),
      )
      await store.close()
      const again = await place.open(identity)
      expect(again.state).toEqual({ hardState, appliedIndex: 1, membership })
      expect(again.lastIndex).toBe(2)
      expect(shown(again.read(1 as LogIndex, 10, 1000))).toEqual(shown([entryAt(1, 1), entryAt(2, 3)]))
      expect(texts(again.list('', 10))).toEqual(['decision/1=commit'])
      await again.close()
    }))

  test('entries take the place of everything from the first of them on, and of nothing before', () =>
    run(async (place) => {
      await place.init(identity)
      const store = await place.open(identity)
      await store.write(batchOf({ entries: [1, 2, 3, 4, 5].map((index) => entryAt(index, 1)) }))
      await store.write(batchOf({ entries: [entryAt(3, 2)] }))
      expect(store.lastIndex).toBe(3)
      await store.close()
      const again = await place.open(identity)
      expect(again.lastIndex).toBe(3)
      expect(shown(again.read(1 as LogIndex, 10, 1000))).toEqual(shown([entryAt(1, 1), entryAt(2, 1), entryAt(3, 2)]))
      await again.close()
    }))

  test('reading stops at either bound, but gives at least one entry', () =>
    run(async (place) => {
      await place.init(identity)
      const store = await place.open(identity)
      await store.write(batchOf({ entries: [1, 2, 3, 4].map((index) => entryAt(index, 1)) }))
      expect(store.read(2 as LogIndex, 2, 1000).map(({ index }) => index)).toEqual([2, 3])
      expect(store.read(2 as LogIndex, 4, 1).map(({ index }) => index)).toEqual([2])
      expect(store.read(5 as LogIndex, 4, 1000)).toEqual([])
      await store.close()
    }))

  test('the space lists keys in order, of one prefix, after one key, up to a limit', () =>
    run(async (place) => {
      await place.init(identity)
      const store = await place.open(identity)
      const keys = ['a/10', 'a/2', 'a/1', 'b/1', 'a', 'A/1', 'a0']
      await store.write(batchOf({ changes: new Map(keys.map((key) => [key, Buffer.from(key)])) }))
      await store.write(batchOf({ changes: new Map([['a/2', undefined]]) }))
      const names = (...args: Parameters<LogStore['list']>): readonly string[] =>
        store.list(...args).map(([key]) => key)
      expect(names('', 10)).toEqual(['A/1', 'a', 'a/1', 'a/10', 'a0', 'b/1'])
      expect(names('a/', 10)).toEqual(['a/1', 'a/10'])
      expect(names('a', 2)).toEqual(['a', 'a/1'])
      expect(names('a/', 10, 'a/1')).toEqual(['a/10'])
      expect(names('a/', 10, 'A')).toEqual(['a/1', 'a/10'])
      expect(names('a/', 10, 'b')).toEqual([])
      expect(store.get('a/2')).toBeUndefined()
      await store.close()
    }))

  test.each([
    ['another replica', { ...identity, replica: 'n2' as ReplicaId }, 'foreign'],
    ['another group', { ...identity, group: 'shop.bbbb' }, 'foreign'],
    ['other members', { ...identity, members: ['n1', 'n2', 'n4'] as ReplicaId[] }, 'foreign'],
  ])('the store of %s is refused, and says what was found and what was expected', (_, wanted, code) =>
    run(async (place) => {
      await place.init(identity)
      const error = await place.open(wanted).then(
        () => undefined,
        (reason: unknown) => reason as StoreError,
      )
      expect(error).toMatchObject({ name: 'StoreError', code })
      expect(error?.message).toContain('replica n1 of group shop.aaaa with the members n1,n2,n3')
      expect(error?.message).toContain(`replica ${wanted.replica} of group ${wanted.group}`)
    }),
  )

  test('a place that was never initialised is refused, and one that was is not initialised again', () =>
    run(async (place) => {
      await expect(place.open(identity)).rejects.toMatchObject({ code: 'uninitialised' })
      await place.init(identity)
      await expect(place.init(identity)).rejects.toMatchObject({ code: 'initialised' })
    }))
}
