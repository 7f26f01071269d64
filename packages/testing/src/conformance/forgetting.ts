import assert from 'node:assert/strict'
import type { BranchNote, CommitResult, PrepareResult } from '@verdict/participant'
import type { Rule } from './harness.ts'

const floor = 1_000 // whose epochs below it differ in all digits of an id's epoch that matter
const below = [1, 31, 32, 999, 1_000]
const above = [1_001, 1_024, 40_000]
const race = 24 // each moment of a deletion that takes a few milliseconds is met by some preparation
const momentsMs = 8

/** What the contract says of floors, and of what is deleted below them. */
export const forgettingRules: readonly Rule[] = [
  {
    sentence: 'raiseFloor: the floor is durable and never falls',
    async check(bench) {
      const before = await bench.start()
      assert.equal(await bench.raise(before, 5), 'raised')
      assert.equal(await bench.raise(before, 4), 'stood')
      assert.equal(await bench.raise(before, 5), 'stood')
      assert.deepEqual([...(await before.floors())], [[bench.group, 5]])
      const resource = await bench.crash()
      assert.deepEqual([...(await resource.floors())], [[bench.group, 5]])
      assert.equal(await bench.raise(resource, 7), 'raised')
      const racing = [9, 8, 10, 6].map((epoch) => bench.raise(resource, epoch))
      await Promise.all(racing)
      assert.deepEqual([...(await resource.floors())], [[bench.group, 10]])
    },
  },
  {
    sentence: 'expired: a branch at or below the floor is not prepared, and leaves nothing',
    async check(bench) {
      const resource = await bench.start()
      await bench.raise(resource, floor)
      for (const epoch of below) {
        const note = bench.aged(epoch)
        assert.deepEqual(await bench.prepare(resource, note, 'a', 'new'), { kind: 'expired' }, `epoch ${epoch}`)
        assert.deepEqual(await bench.look(resource, note.id), { state: 'nothing' })
      }
      await bench.assertFree(resource, 'a')
      await bench.assertCommitted('a', undefined)
    },
  },
  {
    sentence: 'expired: neither a branch above the floor, nor one of another group',
    async check(bench) {
      const resource = await bench.start()
      await bench.raise(resource, floor)
      for (const epoch of above) await bench.prepared(resource, `key ${epoch}`, 'new', bench.aged(epoch))
      await bench.prepared(resource, 'a', 'new', bench.note())
    },
  },
  {
    sentence: 'expired: also a branch that was opened, and has written, before the floor was raised',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      await bench.raise(resource, floor)
      assert.deepEqual(await branch.prepare(bench.aged(floor)), { kind: 'expired' })
      await bench.assertFree(resource, 'a')
    },
  },
  {
    sentence: 'tombstone: expired at or below the floor, where it writes none',
    async check(bench) {
      const resource = await bench.start()
      await bench.raise(resource, floor)
      for (const epoch of below) {
        const { id, digest } = bench.aged(epoch)
        assert.equal(await resource.tombstone(id, digest), 'expired')
        assert.deepEqual(await bench.look(resource, id), { state: 'nothing' })
      }
      for (const epoch of above) {
        const { id, digest } = bench.aged(epoch)
        assert.equal(await resource.tombstone(id, digest), 'done')
      }
    },
  },
  {
    sentence: 'exists: what is prepared, or in a row, counts below the floor too',
    async check(bench) {
      const resource = await bench.start()
      const rows = [await bench.ended(resource, 1, 'committed'), await bench.ended(resource, 2, 'aborted')]
      const held = await bench.prepared(resource, 'held', 'new', bench.aged(3))
      await bench.raise(resource, floor)
      for (const row of rows) {
        assert.deepEqual(await bench.prepare(resource, row, 'a', 'again'), { kind: 'exists' })
        assert.equal(await resource.tombstone(row.id, row.digest), 'exists')
      }
      const { kind } = await bench.prepare(resource, { ...bench.note(), id: held.id }, 'b', 'again')
      assert.ok(kind === 'exists' || kind === 'busy', `a second branch of a prepared id is ${kind}`)
    },
  },
  {
    sentence: 'finish: what was prepared before the floor was raised ends as it is told, after a crash too',
    async check(bench) {
      const before = await bench.start()
      const [kept, dropped] = [bench.aged(1), bench.aged(2)]
      await bench.prepared(before, 'kept', 'new', kept)
      await bench.prepared(before, 'dropped', 'new', dropped)
      await bench.raise(before, floor)
      const resource = await bench.crash()
      assert.equal(await resource.finish(kept, 'committed'), 'done')
      assert.equal(await resource.finish(dropped, 'aborted'), 'done')
      await bench.assertCommitted('kept', 'new')
      await bench.assertCommitted('dropped', undefined)
      const { kind } = await bench.prepare(resource, dropped, 'dropped', 'again')
      assert.ok(kind === 'exists' || kind === 'expired', `a branch that was aborted is ${kind}`)
    },
  },
  {
    sentence: 'collect: deletes tombstones at or below the floor, and no others',
    async check(bench) {
      const resource = await bench.start()
      const old = await Promise.all(below.map((epoch) => bench.ended(resource, epoch, 'aborted')))
      const young = await Promise.all(above.map((epoch) => bench.ended(resource, epoch, 'aborted')))
      const foreign = bench.note()
      assert.equal(await resource.tombstone(foreign.id, foreign.digest), 'done')
      assert.deepEqual(await bench.collect(resource, 2), { deleted: 0, logged: [] }, 'without a floor')
      await bench.raise(resource, floor)
      assert.deepEqual(await bench.collect(resource, 2), { deleted: old.length, logged: [] })
      for (const { id } of old) assert.deepEqual(await bench.look(resource, id), { state: 'nothing' })
      for (const { id } of [...young, foreign]) assert.deepEqual(await bench.look(resource, id), { state: 'aborted' })
    },
  },
  {
    sentence: 'collect: shows each committed row of a logged transaction at or below the floor once, and deletes none',
    async check(bench) {
      const resource = await bench.start()
      const old = await Promise.all([...below, ...below].map((epoch) => bench.ended(resource, epoch, 'committed')))
      for (const epoch of above) await bench.ended(resource, epoch, 'committed')
      for (const epoch of below) await bench.ended(resource, epoch, 'aborted')
      await bench.raise(resource, floor)
      for (const [limit, deleted] of [
        [3, below.length],
        [100, 0],
      ] as const) {
        const collected = await bench.collect(resource, limit)
        assert.equal(collected.deleted, deleted)
        assert.deepEqual(collected.logged.toSorted(), old.map(({ id }) => id).toSorted())
      }
      const [first] = (await resource.collect(bench.group, 1)).logged
      const { id, digest, token } = old.find((note) => note.id === first?.id) ?? bench.note()
      assert.deepEqual(first, { id, digest, token })
      assert.equal((await bench.look(resource, id)).state, 'committed')
    },
  },
  {
    sentence: 'collect and forget: nothing becomes of prepared branches',
    async check(bench) {
      const resource = await bench.start()
      const note = await bench.prepared(resource, 'a', 'new', bench.aged(1))
      await bench.raise(resource, floor)
      assert.deepEqual(await bench.collect(resource, 10), { deleted: 0, logged: [] })
      await resource.forget([note.id])
      assert.equal((await bench.look(resource, note.id)).state, 'prepared')
      assert.equal(await resource.finish(note, 'committed'), 'done')
      await bench.assertCommitted('a', 'new')
    },
  },
  {
    sentence: 'forget: deletes the named committed rows at or below the floor, and no others; their effects stay',
    async check(bench) {
      const resource = await bench.start()
      const [old, unnamed] = [await bench.ended(resource, 1, 'committed'), await bench.ended(resource, 1, 'committed')]
      const [young, foreign] = [await bench.ended(resource, floor + 1, 'committed'), bench.note()]
      await bench.prepared(resource, 'foreign', 'new', foreign)
      assert.equal(await resource.finish(foreign, 'committed'), 'done')
      await bench.raise(resource, floor)
      await resource.forget([old.id, young.id, foreign.id, bench.aged(1).id])
      assert.deepEqual(await bench.look(resource, old.id), { state: 'nothing' })
      for (const { id } of [unnamed, young, foreign]) {
        assert.equal((await bench.look(resource, id)).state, 'committed')
      }
      await bench.assertCommitted(old.id, 'first')
      assert.deepEqual(await bench.prepare(resource, old, 'a', 'again'), { kind: 'expired' })
      assert.deepEqual(await bench.prepare(resource, young, 'a', 'again'), { kind: 'exists' })
    },
  },
  {
    sentence: 'expired: a lone branch at or below the floor is not committed, and leaves nothing',
    async check(bench) {
      const resource = await bench.start()
      await bench.raise(resource, floor)
      for (const epoch of below) {
        const branch = await bench.written(resource, 'a', 'new')
        const note = bench.aged(epoch)
        assert.deepEqual(await branch.commit({ ...note, rowAlways: false }), { kind: 'expired' })
        const idle = await bench.open(resource)
        assert.deepEqual(await idle.commit({ ...note, rowAlways: true }), { kind: 'expired' })
        assert.deepEqual(await bench.look(resource, note.id), { state: 'nothing' })
      }
      await bench.assertFree(resource, 'a')
      await bench.assertCommitted('a', undefined)
      const branch = await bench.written(resource, 'a', 'new')
      assert.deepEqual(await branch.commit({ ...bench.aged(floor + 1), rowAlways: false }), { kind: 'committed' })
    },
  },
  {
    sentence: 'collect: deletes rows of lone branches at or below the floor, and no others; their effects stay',
    async check(bench) {
      const resource = await bench.start()
      const commit = (epoch: number): Promise<BranchNote> =>
        bench.committed(resource, `${epoch}`, 'new', bench.aged(epoch))
      const [old, young] = [await Promise.all(below.map(commit)), await Promise.all(above.map(commit))]
      await bench.raise(resource, floor)
      assert.deepEqual(await bench.collect(resource, 2), { deleted: old.length, logged: [] })
      for (const { id } of old) assert.deepEqual(await bench.look(resource, id), { state: 'nothing' })
      for (const { id } of young) assert.equal((await bench.look(resource, id)).state, 'committed')
      for (const epoch of below) await bench.assertCommitted(`${epoch}`, 'new')
    },
  },
  {
    sentence: 'whenever the row of a lone branch is deleted, no copy of it commits before or after',
    async check(bench) {
      const resource = await bench.start()
      for (let epoch = 1; epoch <= race; epoch += 1) {
        const note = await bench.committed(resource, 'a', 'new', bench.aged(epoch))
        const copy = await bench.written(resource, 'b', 'again')
        const commit = async (): Promise<CommitResult> => {
          await new Promise((resolve) => setTimeout(resolve, epoch % momentsMs))
          return copy.commit({ ...bench.note(), id: note.id, rowAlways: false })
        }
        const forget = async (): Promise<void> => {
          await bench.raise(resource, epoch)
          await bench.collect(resource, 10)
        }
        const [{ kind }] = await Promise.all([commit(), forget()])
        assert.ok(['exists', 'expired', 'busy'].includes(kind), `a copy of a branch that was forgotten is ${kind}`)
      }
      await bench.assertCommitted('b', undefined)
    },
  },
  {
    sentence: 'whenever a row is deleted, no copy of its branch is prepared before or after',
    async check(bench) {
      const resource = await bench.start()
      for (let epoch = 1; epoch <= race; epoch += 1) {
        const note = await bench.ended(resource, epoch, 'committed')
        const copy = await bench.written(resource, 'a', 'again')
        const forget = async (): Promise<void> => {
          await bench.raise(resource, epoch)
          await resource.forget([note.id])
        }
        const prepare = async (): Promise<PrepareResult> => {
          await new Promise((resolve) => setTimeout(resolve, epoch % momentsMs))
          return copy.prepare({ ...bench.note(), id: note.id })
        }
        const [{ kind }] = await Promise.all([prepare(), forget()])
        assert.ok(['exists', 'expired', 'busy'].includes(kind), `a copy of a branch that was forgotten is ${kind}`)
      }
    },
  },
]
