import assert from 'node:assert/strict'
import { bytesOf } from './bench.ts'
import type { Rule } from './harness.ts'

/** What the contract says of `finish` and `tombstone`. */
export const finishingRules: readonly Rule[] = [
  {
    sentence: 'finish committed: effects and a row with digest, token and results are final and durable',
    async check(bench) {
      const before = await bench.start()
      const note = await bench.prepared(before, 'a', 'new', bench.note({ results: bench.results('done') }))
      assert.equal(await before.finish(note, 'committed'), 'done')
      const resource = await bench.crash()
      await bench.assertCommitted('a', 'new')
      const row = await bench.look(resource, note.id)
      assert.ok(row.state === 'committed', `a committed branch is ${row.state} after a crash`)
      assert.deepEqual([row.digest, row.token], [note.digest, note.token])
      assert.deepEqual(row.results?.map(bytesOf), note.results?.map(bytesOf))
      await bench.assertFree(resource, 'a')
    },
  },
  {
    sentence: 'finish aborted: effects are gone and a row that says aborted is durable',
    async check(bench) {
      const before = await bench.start()
      const note = await bench.prepared(before, 'a', 'new')
      assert.equal(await before.finish(note, 'aborted'), 'done')
      const resource = await bench.crash()
      await bench.assertCommitted('a', undefined)
      assert.deepEqual(await bench.look(resource, note.id), { state: 'aborted' })
      await bench.assertFree(resource, 'a')
    },
  },
  {
    sentence: 'finish discarded: effects are gone and no row stays',
    async check(bench) {
      const before = await bench.start()
      const note = await bench.prepared(before, 'a', 'new')
      assert.equal(await before.finish(note, 'discarded'), 'done')
      const resource = await bench.crash()
      await bench.assertCommitted('a', undefined)
      assert.deepEqual(await bench.look(resource, note.id), { state: 'nothing' })
      await bench.prepared(resource, 'a', 'again', note)
    },
  },
  ...(['committed', 'aborted', 'discarded'] as const).map(
    (ending): Rule => ({
      sentence: `finish ${ending} under another digest or token is absent and changes nothing`,
      async check(bench) {
        const resource = await bench.start()
        const note = await bench.prepared(resource, 'a', 'new')
        const other = bench.note()
        const { digest, token } = other
        for (const wrong of [other, { ...note, digest }, { ...note, token }]) {
          assert.equal(await resource.finish(wrong, ending), 'absent')
        }
        assert.deepEqual(await bench.look(resource, other.id), { state: 'nothing' })
        assert.equal((await bench.look(resource, note.id)).state, 'prepared')
        assert.equal(await resource.finish(note, 'committed'), 'done')
        await bench.assertCommitted('a', 'new')
      },
    }),
  ),
  {
    sentence: 'finish a second time is absent and changes nothing',
    async check(bench) {
      const resource = await bench.start()
      const note = await bench.prepared(resource, 'a', 'new')
      assert.equal(await resource.finish(note, 'committed'), 'done')
      for (const ending of ['committed', 'aborted', 'discarded'] as const) {
        assert.equal(await resource.finish(note, ending), 'absent')
      }
      assert.equal((await bench.look(resource, note.id)).state, 'committed')
      await bench.assertCommitted('a', 'new')
    },
  },
  {
    sentence: 'finish ends a branch that another instance prepared',
    async check(bench) {
      const note = await bench.prepared(await bench.start(), 'a', 'new')
      const other = await bench.start()
      assert.equal(await other.finish(note, 'committed'), 'done')
      await bench.assertCommitted('a', 'new')
    },
  },
  {
    sentence: 'of two that finish a branch at the same time one ends it, the other says absent or busy',
    async check(bench) {
      const resource = await bench.start()
      const note = await bench.prepared(resource, 'a', 'new')
      const answers = await Promise.all([resource.finish(note, 'committed'), resource.finish(note, 'committed')])
      assert.ok(answers.includes('done'), `nobody ended it: ${answers.join(', ')}`)
      assert.notEqual(answers[0], answers[1])
      await bench.assertCommitted('a', 'new')
    },
  },
  {
    sentence: 'tombstone: a row that says aborted is durable, and no branch of the id can be prepared any more',
    async check(bench) {
      const note = bench.note()
      assert.equal(await (await bench.start()).tombstone(note.id, note.digest), 'done')
      const resource = await bench.crash()
      assert.deepEqual(await bench.look(resource, note.id), { state: 'aborted' })
      assert.deepEqual(await bench.prepare(resource, note, 'a', 'new'), { kind: 'exists' })
      await bench.assertFree(resource, 'a')
      await bench.assertCommitted('a', undefined)
    },
  },
  {
    sentence: 'tombstone: exists when a branch is prepared or a row is there, and changes nothing',
    async check(bench) {
      const resource = await bench.start()
      const note = await bench.prepared(resource, 'a', 'new')
      assert.equal(await resource.tombstone(note.id, note.digest), 'exists')
      assert.equal((await bench.look(resource, note.id)).state, 'prepared')
      assert.equal(await resource.finish(note, 'committed'), 'done')
      assert.equal(await resource.tombstone(note.id, note.digest), 'exists')
      assert.equal((await bench.look(resource, note.id)).state, 'committed')
      const other = bench.note()
      assert.equal(await resource.tombstone(other.id, other.digest), 'done')
      assert.equal(await resource.tombstone(other.id, other.digest), 'exists')
    },
  },
  {
    sentence: 'of a tombstone and a branch that prepares at the same time one wins, and both say so',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      const note = bench.note()
      const [{ kind }, buried] = await Promise.all([branch.prepare(note), resource.tombstone(note.id, note.digest)])
      const { state } = await bench.look(resource, note.id)
      if (kind === 'prepared') {
        assert.notEqual(buried, 'done')
        assert.equal(state, 'prepared')
      } else {
        assert.ok(kind === 'exists' || kind === 'busy', `the branch is ${kind}`)
        if (buried === 'done') assert.equal(state, 'aborted')
        await bench.assertFree(resource, 'a')
      }
      assert.notEqual(state, 'committed')
    },
  },
]
