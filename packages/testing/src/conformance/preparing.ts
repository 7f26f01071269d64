import assert from 'node:assert/strict'
import { until } from './bench.ts'
import type { Rule } from './harness.ts'

/** What the contract says of `prepare`. */
export const preparingRules: readonly Rule[] = [
  {
    sentence: 'prepared: effects and row are durable, and outlive a crash of the store',
    async check(bench) {
      const { id, digest, token } = await bench.prepared(await bench.start(), 'a', 'new')
      const resource = await bench.crash()
      const row = await bench.look(resource, id)
      assert.ok(row.state === 'prepared', `a prepared branch is ${row.state} after a crash`)
      assert.deepEqual([row.digest, row.token, row.history], [digest, token, 'same'])
      assert.equal(await resource.finish({ id, digest, token }, 'committed'), 'done')
      await bench.assertCommitted('a', 'new')
    },
  },
  {
    sentence: 'prepared: nobody sees the effects before the end',
    async check(bench) {
      await bench.prepared(await bench.start(), 'a', 'new')
      await bench.assertCommitted('a', undefined)
    },
  },
  {
    sentence: 'prepared: locks are kept until finish, also over a crash of the store',
    async check(bench) {
      const first = await bench.start()
      const note = await bench.prepared(first, 'a', 'new')
      await bench.assertLocked(first, 'a')
      const resource = await bench.crash()
      await bench.assertLocked(resource, 'a')
      assert.equal(await resource.finish(note, 'aborted'), 'done')
      await bench.assertFree(resource, 'a')
    },
  },
  {
    sentence: 'prepared: rollback afterwards is harmless',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      const note = bench.note()
      assert.deepEqual(await branch.prepare(note), { kind: 'prepared' })
      await branch.rollback()
      assert.equal((await bench.look(resource, note.id)).state, 'prepared')
      assert.equal(await resource.finish(note, 'committed'), 'done')
      await bench.assertCommitted('a', 'new')
    },
  },
  {
    sentence: 'read-only: nothing was written, locks are gone, no row is kept',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.open(resource)
      await bench.store.read(branch.session, 'a')
      const note = bench.note()
      assert.deepEqual(await branch.prepare(note), { kind: 'read-only' })
      await bench.assertFree(resource, 'a')
      assert.deepEqual(await bench.look(resource, note.id), { state: 'nothing' })
      assert.equal(await resource.finish(note, 'committed'), 'absent')
    },
  },
  {
    sentence:
      'prepared: a branch that wrote nothing is so too when its note says serializable, and ends like any other',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.open(resource)
      await bench.store.read(branch.session, 'a')
      const note = bench.note({ serializable: true })
      assert.deepEqual(await branch.prepare(note), { kind: 'prepared' })
      assert.equal((await bench.look(resource, note.id)).state, 'prepared')
      assert.equal(await resource.finish(note, 'committed'), 'done')
      assert.equal((await bench.look(resource, note.id)).state, 'committed')
    },
  },
  {
    sentence: 'refused: the branch has ended without effect, for certain',
    needs: 'spoil',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      await bench.store.spoil?.(branch.session).catch(() => {})
      const note = bench.note()
      const result = await branch.prepare(note)
      assert.ok(result.kind === 'refused', `a spoiled branch is ${result.kind}`)
      assert.ok(result.reason.code && result.reason.message, 'a refusal has a reason')
      assert.deepEqual(await bench.look(resource, note.id), { state: 'nothing' })
      await bench.assertFree(resource, 'a')
      await bench.assertCommitted('a', undefined)
    },
  },
  {
    sentence: 'exists: another branch of the id is prepared, this one has ended without effect',
    async check(bench) {
      const resource = await bench.start()
      const first = await bench.prepared(resource, 'a', 'first')
      const second = bench.note({ id: first.id })
      // A store that cannot show a prepared row may have to wait for it, and then does not know.
      const { kind } = await bench.prepare(resource, second, 'b', 'second')
      assert.ok(kind === 'exists' || kind === 'busy', `the second branch of an id is ${kind}`)
      await bench.assertFree(resource, 'b')
      const row = await bench.look(resource, first.id)
      assert.deepEqual(row.state === 'prepared' && row.token, first.token)
      assert.equal(await resource.finish(second, 'committed'), 'absent')
      assert.equal(await resource.finish(first, 'committed'), 'done')
      await bench.assertCommitted('b', undefined)
    },
  },
  ...(['committed', 'aborted'] as const).map(
    (state): Rule => ({
      sentence: `exists: the id has a row that says ${state}, also after a crash of the store`,
      async check(bench) {
        const before = await bench.start()
        const first = await bench.prepared(before, 'a', 'first')
        assert.equal(await before.finish(first, state), 'done')
        const message = `a branch whose row says ${state} is prepared again`
        assert.deepEqual(await bench.prepare(before, first, 'b', 'again'), { kind: 'exists' }, message)
        await bench.assertFree(before, 'b')
        const after = await bench.crash()
        assert.deepEqual(await bench.prepare(after, first, 'b', 'again'), { kind: 'exists' }, message)
        await bench.assertCommitted('b', undefined)
      },
    }),
  ),
  {
    sentence:
      'of two branches of an id that prepare at the same time, one is prepared and the other ends without effect',
    async check(bench) {
      const resource = await bench.start()
      const branches = await Promise.all(['a', 'b'].map((key) => bench.written(resource, key, 'new')))
      const first = bench.note()
      const notes = [first, bench.note({ id: first.id })]
      const results = await Promise.all(
        branches.map(async (branch, place) => (await branch.prepare(notes[place] ?? first)).kind),
      )
      const winner = results.indexOf('prepared')
      assert.notEqual(winner, -1, `none is prepared: ${results.join(', ')}`)
      const loser = results[1 - winner]
      assert.ok(loser === 'exists' || loser === 'busy', `the second branch of an id is ${loser}`)
      await bench.assertFree(resource, winner === 0 ? 'b' : 'a')
      const row = await bench.look(resource, first.id)
      assert.equal(row.state === 'prepared' && row.token, notes[winner]?.token)
    },
  },
  {
    sentence: 'busy: a branch that was prepared after all is shown by look and inDoubt, and no rollback ends it',
    needs: 'losePrepareAnswer',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      const note = bench.note()
      bench.store.losePrepareAnswer?.()
      assert.deepEqual(await branch.prepare(note), { kind: 'busy' })
      await branch.rollback()
      await until(
        () => bench.look(resource, note.id),
        ({ state }) => state === 'prepared',
        'the branch is not shown',
      )
      assert.deepEqual(
        (await resource.inDoubt(0, 10)).map(({ id }) => id),
        [note.id],
      )
      assert.equal(await resource.finish(note, 'committed'), 'done')
      await bench.assertCommitted('a', 'new')
    },
  },
]
