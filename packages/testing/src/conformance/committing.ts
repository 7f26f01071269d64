import assert from 'node:assert/strict'
import { bytesOf, until } from './bench.ts'
import type { Rule } from './harness.ts'

/** What the contract says of `commit`, and of branches that are opened read-only. */
export const committingRules: readonly Rule[] = [
  {
    sentence:
      'committed: effects and a lone row with digest, token and results are durable, and outlive a crash of the store',
    async check(bench) {
      const note = bench.note({ results: bench.results('done') })
      const branch = await bench.written(await bench.start(), 'a', 'new')
      assert.deepEqual(await branch.commit({ ...note, rowAlways: false }), { kind: 'committed' })
      const resource = await bench.crash()
      await bench.assertCommitted('a', 'new')
      const row = await bench.look(resource, note.id)
      assert.ok(row.state === 'committed', `a branch that committed alone is ${row.state} after a crash`)
      assert.deepEqual([row.mode, row.digest, row.token], ['lone', note.digest, note.token])
      assert.deepEqual(row.results?.map(bytesOf), note.results?.map(bytesOf))
    },
  },
  {
    sentence: 'committed: nothing is prepared, locks are gone, and a rollback afterwards is harmless',
    async check(bench) {
      const resource = await bench.start()
      const note = await bench.committed(resource, 'a', 'new')
      assert.deepEqual(await resource.inDoubt(0, 10), [])
      await bench.assertFree(resource, 'a')
      for (const ending of ['committed', 'aborted', 'discarded'] as const) {
        assert.equal(await resource.finish(note, ending), 'absent')
      }
      assert.equal((await bench.look(resource, note.id)).state, 'committed')
      const branch = await bench.written(resource, 'b', 'new')
      await branch.commit({ ...bench.note(), rowAlways: false })
      await branch.rollback()
      await bench.assertCommitted('b', 'new')
    },
  },
  {
    sentence: 'a branch that its group decided has a row that says so',
    async check(bench) {
      const resource = await bench.start()
      const note = await bench.prepared(resource, 'a', 'new')
      assert.equal(await resource.finish(note, 'committed'), 'done')
      const row = await bench.look(resource, note.id)
      assert.equal(row.state === 'committed' && row.mode, 'logged')
    },
  },
  {
    sentence: 'commit of a branch that wrote nothing: read-only, locks are gone, no row is kept',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.open(resource)
      await bench.store.read(branch.session, 'a')
      const note = bench.note()
      assert.deepEqual(await branch.commit({ ...note, rowAlways: false }), { kind: 'read-only' })
      await bench.assertFree(resource, 'a')
      assert.deepEqual(await bench.look(resource, note.id), { state: 'nothing' })
    },
  },
  {
    sentence: 'rowAlways: a branch that wrote nothing keeps a row all the same, and no other one of its id commits',
    async check(bench) {
      const before = await bench.start()
      const branch = await bench.open(before)
      await bench.store.read(branch.session, 'a')
      const note = bench.note({ results: bench.results('read') })
      assert.deepEqual(await branch.commit({ ...note, rowAlways: true }), { kind: 'committed' })
      const resource = await bench.crash()
      const row = await bench.look(resource, note.id)
      assert.equal(row.state === 'committed' && row.mode, 'lone')
      const again = await bench.written(resource, 'a', 'the second time')
      assert.deepEqual(await again.commit({ ...note, rowAlways: true }), { kind: 'exists' })
      await bench.assertCommitted('a', undefined)
    },
  },
  {
    sentence: 'commit refused: the branch has ended without effect, for certain',
    needs: 'spoil',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      await bench.store.spoil?.(branch.session).catch(() => {})
      const note = bench.note()
      const result = await branch.commit({ ...note, rowAlways: true })
      assert.ok(result.kind === 'refused', `a spoiled branch is ${result.kind}`)
      assert.ok(result.reason.code && result.reason.message, 'a refusal has a reason')
      assert.deepEqual(await bench.look(resource, note.id), { state: 'nothing' })
      await bench.assertFree(resource, 'a')
      await bench.assertCommitted('a', undefined)
    },
  },
  ...(['committed', 'aborted', 'committed alone', 'prepared'] as const).map(
    (state): Rule => ({
      sentence: `commit exists: the id is ${state} already, this branch has ended without effect`,
      async check(bench) {
        const resource = await bench.start()
        const note =
          state === 'committed alone'
            ? await bench.committed(resource, 'a', 'first')
            : await bench.prepared(resource, 'a', 'first')
        if (state === 'committed' || state === 'aborted') assert.equal(await resource.finish(note, state), 'done')
        const branch = await bench.written(resource, 'b', 'second')
        const { kind } = await branch.commit({ ...bench.note({ id: note.id }), rowAlways: false })
        // A store that cannot show a prepared row may have to wait for it, and then does not know.
        assert.ok(kind === 'exists' || (state === 'prepared' && kind === 'busy'), `the second branch is ${kind}`)
        await bench.assertFree(resource, 'b')
        await bench.assertCommitted('b', undefined)
      },
    }),
  ),
  {
    sentence: 'of a tombstone and a branch that commits at the same time one wins, and both say so',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      const note = bench.note()
      const [{ kind }, buried] = await Promise.all([
        branch.commit({ ...note, rowAlways: false }),
        resource.tombstone(note.id, note.digest),
      ])
      const { state } = await bench.look(resource, note.id)
      assert.equal(state === 'committed', kind === 'committed', `the branch says ${kind}, its row says ${state}`)
      assert.ok(buried !== 'done' || state === 'aborted', `the tombstone is done, the row says ${state}`)
      await bench.assertFree(resource, 'a')
      await bench.assertCommitted('a', kind === 'committed' ? 'new' : undefined)
    },
  },
  {
    sentence: 'commit busy: a tombstone waits for the lost commit, and says which of both won',
    needs: 'loseCommitAnswer',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      const note = bench.note()
      bench.store.loseCommitAnswer?.()
      assert.deepEqual(await branch.commit({ ...note, rowAlways: false }), { kind: 'busy' })
      const buried = await until(
        () => resource.tombstone(note.id, note.digest),
        (answer) => answer !== 'busy',
        'the tombstone never knows',
      )
      const { state } = await bench.look(resource, note.id)
      assert.equal(state, buried === 'done' ? 'aborted' : 'committed')
      await bench.assertCommitted('a', state === 'committed' ? 'new' : undefined)
    },
  },
  {
    sentence: 'once commit was called, the session refuses whatever is asked of it',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      await branch.commit({ ...bench.note(), rowAlways: false })
      await assert.rejects(
        async () => bench.store.write(branch.session, 'c', 'late'),
        'a write after the end is refused',
      )
      await bench.assertCommitted('c', undefined)
    },
  },
  {
    sentence: 'a read-only branch reads, refuses to write, and commits without a row',
    async check(bench) {
      const resource = await bench.start()
      await bench.committed(resource, 'a', 'there')
      const reader = await bench.open(resource, true)
      assert.equal(await bench.store.read(reader.session, 'a'), 'there')
      const note = bench.note()
      assert.deepEqual(await reader.commit({ ...note, rowAlways: false }), { kind: 'read-only' })
      const writer = await bench.open(resource, true)
      await assert.rejects(
        async () => bench.store.write(writer.session, 'a', 'changed'),
        (error) => {
          assert.ok(resource.explain(error)?.code, 'a write in a read-only branch is refused for a reason')
          return true
        },
      )
      await writer.rollback()
      await bench.assertCommitted('a', 'there')
      assert.deepEqual(await bench.look(resource, note.id), { state: 'nothing' })
    },
  },
]
