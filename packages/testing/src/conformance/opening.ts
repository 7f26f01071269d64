import assert from 'node:assert/strict'
import { ResourceRefusal, ResourceUnfitError } from '@verdict/participant'
import { participantName } from '@verdict/protocol'
import type { Rule } from './harness.ts'

const mostOpened = 200 // a larger capacity is believed: filling it would take the suite's time

/** What the contract says of `start`, `open`, the session and `rollback`. */
export const openingRules: readonly Rule[] = [
  {
    sentence: 'start says how durable the store is, and how many branches an instance may hold',
    async check(bench) {
      const { facts } = await bench.startWithFacts()
      assert.ok(facts.durability === 'full' || facts.durability === 'weak', `durability ${facts.durability}`)
      assert.ok(Number.isSafeInteger(facts.capacity) && facts.capacity > 0, `capacity ${facts.capacity}`)
    },
  },
  {
    sentence: 'start refuses a store that cannot keep its promise, and says how to mend it',
    needs: 'unfit',
    async check({ store }) {
      const resource = await store.unfit?.()
      const start = resource?.start({ participant: participantName('payments') })
      await assert.rejects(start ?? Promise.resolve(), (error) => {
        assert.ok(error instanceof ResourceUnfitError, `start rejects with ${String(error)}, not a ResourceUnfitError`)
        return error.message.length > 0
      })
      await resource?.stop()
    },
  },
  {
    sentence: 'start keeps what is in a store that was used before',
    async check(bench) {
      const note = await bench.prepared(await bench.start(), 'a', 'new')
      const again = await bench.start()
      assert.equal((await bench.look(again, note.id)).state, 'prepared')
    },
  },
  {
    sentence: 'open has room for as many branches as start said, and refuses more of them with a reason',
    async check(bench) {
      const { resource, facts } = await bench.startWithFacts()
      const count = Math.min(facts.capacity, mostOpened)
      const branches = await Promise.all(Array.from({ length: count }, () => bench.open(resource)))
      if (count === facts.capacity) {
        await bench.open(resource).then(
          (extra) => extra.rollback(),
          (error: unknown) => {
            assert.ok(error instanceof ResourceRefusal, `open rejects with ${String(error)}, not a ResourceRefusal`)
            assert.ok(error.reason.code && error.reason.message, 'a refusal has a reason')
          },
        )
      }
      await Promise.all(branches.map((branch) => branch.rollback()))
      await bench.prepared(resource, 'a', 'new')
    },
  },
  {
    sentence: 'operations see what their own branch wrote, and nobody else does',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      assert.equal(await bench.store.read(branch.session, 'a'), 'new')
      await bench.assertCommitted('a', undefined)
      await branch.rollback()
    },
  },
  {
    sentence: 'a crash of the store ends an open branch without effect',
    async check(bench) {
      await bench.written(await bench.start(), 'a', 'new')
      const resource = await bench.crash()
      await bench.assertFree(resource, 'a')
      await bench.assertCommitted('a', undefined)
    },
  },
  {
    sentence: 'rollback ends the branch without effect, its locks are gone when it resolves, and it may be repeated',
    async check(bench) {
      const resource = await bench.start()
      const branch = await bench.written(resource, 'a', 'new')
      await Promise.all([branch.rollback(), branch.rollback()])
      await bench.assertFree(resource, 'a')
      await branch.rollback()
      await bench.assertCommitted('a', undefined)
    },
  },
  {
    sentence: 'rollback ends a branch whose operation still waits for a lock',
    async check(bench) {
      const resource = await bench.start()
      const holder = await bench.written(resource, 'a', 'held')
      const branch = await bench.written(resource, 'b', 'new')
      const waiting = bench.store.write(branch.session, 'a', 'new').then(
        () => 'went on',
        () => 'failed',
      )
      await branch.rollback()
      assert.equal(await waiting, 'failed')
      await bench.assertFree(resource, 'b')
      await holder.rollback()
    },
  },
  {
    sentence: 'once prepare or rollback was called, the session refuses whatever is asked of it',
    async check(bench) {
      const resource = await bench.start()
      const [prepared, rolledBack] = await Promise.all([
        bench.written(resource, 'a', 'new'),
        bench.written(resource, 'b', 'new'),
      ])
      await Promise.all([prepared.prepare(bench.note()), rolledBack.rollback()])
      for (const { session } of [prepared, rolledBack]) {
        await assert.rejects(async () => bench.store.write(session, 'c', 'late'), 'a write after the end is refused')
        await assert.rejects(async () => bench.store.read(session, 'c'), 'a read after the end is refused')
      }
      await bench.assertFree(resource, 'c')
      await bench.assertCommitted('c', undefined)
    },
  },
  {
    sentence: 'explain knows a lock time-out, and says nothing of an error that is not the store’s',
    async check(bench) {
      const resource = await bench.start()
      const holder = await bench.written(resource, 'a', 'held')
      await bench.assertLocked(resource, 'a')
      assert.equal(resource.explain(new Error('the user’s own')), undefined)
      await holder.rollback()
    },
  },
  {
    sentence: 'stop ends open branches without effect and leaves prepared ones as they are',
    async check(bench) {
      const resource = await bench.start()
      const note = await bench.prepared(resource, 'a', 'new')
      await bench.written(resource, 'b', 'new')
      await bench.stop()
      const next = await bench.start()
      await bench.assertFree(next, 'b')
      assert.equal((await bench.look(next, note.id)).state, 'prepared')
      await bench.assertLocked(next, 'a')
    },
  },
]
