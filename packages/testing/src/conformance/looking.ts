import assert from 'node:assert/strict'
import { bytesOf, until } from './bench.ts'
import type { Rule } from './harness.ts'

const longMs = 3_600_000

/** What the contract says of `look` and `inDoubt`. */
export const lookingRules: readonly Rule[] = [
  {
    sentence: 'look: nothing for an id that was never here, nor for one whose branch is open',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      assert.deepEqual(await bench.look(resource, bench.note().id), { state: 'nothing' })
      await branch.rollback()
    },
  },
  {
    sentence: 'look: shows a prepared branch with digest and token, and its results if it has them',
    async check(bench) {
      const resource = await bench.start()
      const note = await bench.prepared(resource, 'a', 'new', bench.note({ results: bench.results('done') }))
      const row = await bench.look(resource, note.id)
      assert.ok(row.state === 'prepared', `a prepared branch is ${row.state}`)
      assert.deepEqual([row.digest, row.token, row.history], [note.digest, note.token, 'same'])
      if (row.results) assert.deepEqual(row.results.map(bytesOf), note.results?.map(bytesOf))
    },
  },
  {
    sentence: 'look: what it shows is durable by the time it resolves',
    async check(bench) {
      const resource = await bench.start()
      const note = bench.note()
      const branch = await bench.written(resource, 'a', 'new')
      void branch.prepare(note).catch(() => {}) // it may stay without an answer
      await until(
        () => resource.look(note.id),
        ({ state }) => state === 'prepared',
        'the branch is not shown',
      )
      const next = await bench.crash()
      assert.equal((await bench.look(next, note.id)).state, 'prepared')
    },
  },
  {
    sentence: 'look: never nothing while a branch of the id ends in commit',
    async check(bench) {
      const resource = await bench.start()
      for (let round = 0; round < 20; round += 1) {
        const note = await bench.prepared(resource, 'a', `round ${round}`)
        let isDone = false
        const seen = new Set<string>()
        const look = async (): Promise<void> => {
          while (!isDone) {
            seen.add((await resource.look(note.id)).state)
            await new Promise(setImmediate) // an embedded store answers at once, and must be let get on
          }
        }
        const looking = Promise.allSettled([look(), look(), look()])
        try {
          assert.equal(await resource.finish(note, 'committed'), 'done')
        } finally {
          isDone = true
          await looking
        }
        assert.ok(!seen.has('nothing'), `look saw ${[...seen].join(', ')}`)
      }
    },
  },
  {
    sentence: 'inDoubt: shows prepared branches with digest and token, oldest first, no more than the limit',
    async check(bench) {
      const resource = await bench.start()
      const notes = []
      for (const key of ['a', 'b', 'c']) notes.push(await bench.prepared(resource, key, 'new'))
      const held = await resource.inDoubt(0, 10)
      assert.deepEqual(
        held.map(({ id, digest, token, history }) => ({ id, digest, token, history })),
        notes.map(({ id, digest, token }) => ({ id, digest, token, history: 'same' })),
      )
      assert.deepEqual(
        (await resource.inDoubt(0, 2)).map(({ id }) => id),
        notes.slice(0, 2).map(({ id }) => id),
      )
    },
  },
  {
    sentence: 'inDoubt: leaves out branches younger than the minimum age, open ones and ended ones',
    async check(bench) {
      const resource = await bench.start()
      const [first, second] = [await bench.prepared(resource, 'a', 'x'), await bench.prepared(resource, 'b', 'x')]
      const open = await bench.written(resource, 'c', 'x')
      assert.deepEqual(await resource.inDoubt(longMs, 10), [])
      assert.equal(await resource.finish(first, 'committed'), 'done')
      assert.deepEqual(
        (await resource.inDoubt(0, 10)).map(({ id }) => id),
        [second.id],
      )
      await open.rollback()
    },
  },
  {
    sentence: 'inDoubt: shows what was prepared before a crash of the store',
    async check(bench) {
      const note = await bench.prepared(await bench.start(), 'a', 'new')
      const resource = await bench.crash()
      assert.deepEqual(
        (await resource.inDoubt(0, 10)).map(({ id, token }) => ({ id, token })),
        [{ id: note.id, token: note.token }],
      )
    },
  },
  {
    sentence: 'history: changed for a branch that the store prepared before a failover',
    needs: 'failover',
    async check(bench) {
      const note = await bench.prepared(await bench.start(), 'a', 'new')
      await bench.store.failover?.()
      const resource = await bench.start()
      const row = await bench.look(resource, note.id)
      assert.equal(row.state === 'prepared' && row.history, 'changed')
      assert.deepEqual(
        (await resource.inDoubt(0, 10)).map(({ history }) => history),
        ['changed'],
      )
      assert.equal(await resource.finish(note, 'committed'), 'done')
      await bench.assertCommitted('a', 'new')
    },
  },
]
