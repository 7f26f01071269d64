import { InDoubt, TransactionAborted } from '@verdict/client'
import type { Reason, TransactionId } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { type Inventory, type Payments, Stage } from './stage.ts'

const input = { account: 'ada', cents: 5 }
const insufficient: Reason = { code: 'insufficient-funds', message: 'Ada has nothing.', retryable: false }

/** A stage with one of the two participants; the other one is the test's own. */
function newStage(): Stage {
  const stage = new Stage()
  stage.participant('inventory')
  return stage
}

describe('a commit', () => {
  const pay = (verdict: Parameters<Parameters<Stage['play']>[0]>[0], options = {}) =>
    verdict.transaction(async (tx) => {
      await tx.on<Payments>('payments').debit(input)
      await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
    }, options)

  test('that was aborted says who refused and why', async () => {
    const stage = newStage()
    stage.participant('payments')
    stage.onCommit = () => ({ kind: 'aborted', reason: { ...insufficient, participant: 'payments' } })
    const error = await stage.fail(pay)
    expect(error).toBeInstanceOf(TransactionAborted)
    expect(error).toMatchObject({ reason: { ...insufficient, participant: 'payments' }, recorded: true })
  })

  test('is asked for again until it is answered', async () => {
    const stage = newStage()
    stage.participant('payments')
    stage.onCommit = (_, nth) => (nth < 3 ? 'silence' : { kind: 'committed', applied: false, hazards: [] })
    const { receipt } = await stage.play((verdict) => pay(verdict))
    expect(receipt.path).toBe('logged')
    expect(stage.commits).toHaveLength(4)
    expect(new Set(stage.commits.map(({ digest }) => digest)).size).toBe(1)
    const left = stage.commits.map(({ leftMs }) => leftMs)
    expect(left).toEqual(left.toSorted((a, b) => b - a))
  })

  test.each([
    { kind: 'pending' },
    { kind: 'refused', reason: { code: 'overloaded', message: 'Too much.', retryable: true } },
  ] as const)('that is answered %j is asked for again', async (answer) => {
    const stage = newStage()
    stage.participant('payments')
    stage.onCommit = (_, nth) => (nth === 0 ? answer : { kind: 'committed', applied: false, hazards: [] })
    expect((await stage.play((verdict) => pay(verdict))).outcome).toBe('committed')
    expect(stage.commits).toHaveLength(2)
  })

  test('waits for a leader', async () => {
    const stage = newStage()
    stage.participant('payments', () => {
      stage.groupProcess.crash()
      stage.simulation.plan(3_000, () => stage.groupProcess.start())
      return { value: 'done' }
    })
    expect((await stage.play((verdict) => pay(verdict))).outcome).toBe('committed')
  })

  test('that nobody answers is in doubt, never aborted, and only after budget and grace', async () => {
    const stage = newStage()
    stage.participant('payments')
    stage.onCommit = () => 'silence'
    const error = await stage.fail((verdict) => pay(verdict, { budgetMs: 2_000 }))
    expect(error).toBeInstanceOf(InDoubt)
    expect(error).toMatchObject({ id: stage.commits[0]?.id, expired: false, retryable: false })
    expect(stage.simulation.nowMs).toBeGreaterThan(7_000)
    expect(stage.releases).toEqual([])
  })

  test('in doubt is asked for the outcome alone once the budget is spent', async () => {
    const stage = newStage()
    stage.participant('payments')
    stage.onCommit = ({ wait }) => (wait === 'applied' ? 'silence' : { kind: 'committed', applied: false, hazards: [] })
    const { receipt } = await stage.play((verdict) => pay(verdict, { wait: 'applied', budgetMs: 1_000 }))
    expect(receipt.applied).toBe(false)
  })

  test('whose caller lost interest is in doubt', async () => {
    const stage = newStage()
    stage.participant('payments')
    const controller = new AbortController()
    stage.onCommit = () => {
      stage.simulation.plan(10, () => controller.abort())
      return 'silence'
    }
    const error = await stage.fail((verdict) => pay(verdict, { signal: controller.signal }))
    expect(error).toBeInstanceOf(InDoubt)
    expect(stage.aborts).toEqual([])
  })

  test.each([
    [{ kind: 'expired' }, { name: 'InDoubt', expired: true, retryable: false }],
    [
      { kind: 'refused', reason: { code: 'future-epoch', message: 'No.', retryable: false } },
      { name: 'InDoubt', expired: false },
    ],
    [
      { kind: 'conflict', recorded: 'a'.repeat(26) as never, outcome: 'committed' },
      { name: 'TransactionAborted', recorded: true },
    ],
  ] as const)('that is answered %j is no success', async (answer, expected) => {
    const stage = newStage()
    stage.participant('payments')
    stage.onCommit = () => answer
    expect(await stage.fail(pay)).toMatchObject(expected)
  })

  test('with hazards is never told as success', async () => {
    const stage = newStage()
    stage.participant('payments')
    const hazards = [
      { participant: 'payments' as never, kind: 'effects-lost' as const, note: 'restored from a backup' },
    ]
    stage.onCommit = () => ({ kind: 'committed', applied: true, hazards })
    const error = await stage.fail(pay)
    expect(error).toMatchObject({ code: 'committed-with-hazards', hazards, retryable: false })
  })

  test('believes neither another group, nor a participant, nor an answer for another list', async () => {
    const stage = newStage()
    stage.participant('payments')
    const aborted = { kind: 'aborted', reason: insufficient } as const
    stage.onCommit = (commit, nth) => {
      if (nth > 0) return { kind: 'committed', applied: false, hazards: [] }
      const { world } = stage.groupProcess
      const said = {
        type: 'decided',
        id: commit.id,
        digest: commit.digest,
        epoch: stage.epoch,
        answer: aborted,
      } as const
      const stranger = 'main_aaaaaaaaaaaaa' as never
      stage.reply(world, said, stage.lastRequest, stage.lastInbox, stranger)
      stage.reply(world, { ...said, digest: 'b'.repeat(26) as never })
      stage.reply(world, { ...said, id: said.id.replace(/_o.*/, `_o${'a'.repeat(20)}`) as TransactionId })
      stage.say(world, said, { kind: 'participant', participant: 'payments' as never })
      return 'silence'
    }
    const counters = await stage.play(async (verdict) => {
      expect((await pay(verdict)).outcome).toBe('committed')
      return { ...verdict.counters }
    })
    expect(counters).toEqual({ malformed: 0, foreign: 4, late: 0 })
  })

  test('counts answers that cannot be read, and those that come late', async () => {
    const stage = newStage()
    stage.participant('payments')
    stage.onCommit = ({ id, digest }) => {
      const { world } = stage.groupProcess
      world.bus.publish(`${stage.lastInbox}.g.main_aaaaaaaaaaaaa.n1`, new Uint8Array([1, 2, 3]))
      world.bus.publish(`${stage.lastInbox}.nobody.knows`, new Uint8Array(20))
      const answer = { kind: 'committed', applied: false, hazards: [] } as const
      stage.reply(world, { type: 'decided', id, digest, epoch: stage.epoch, answer })
      return answer
    }
    const counters = await stage.play(async (verdict, { clock }) => {
      await pay(verdict)
      await new Promise<void>((resolve) => clock.after(100, resolve))
      return { ...verdict.counters }
    })
    expect(counters).toEqual({ malformed: 2, foreign: 0, late: 1 })
  })

  test('comes to the same end on a network that loses, doubles and reorders', async () => {
    const stage = new Stage()
    stage.participant('payments', ({ n }) => ({ value: n }))
    stage.participant('inventory', ({ n }) => ({ value: n }))
    stage.simulation.network.set({ lossProbability: 0.2, duplicateProbability: 0.2, reorderProbability: 0.3 })
    await stage.play(async (verdict) => {
      for (let round = 0; round < 20; round += 1) {
        const { value } = await verdict.transaction(
          async (tx) => [
            await tx.on<Payments>('payments').debit(input),
            await tx.on<Inventory>('inventory').reserve({ sku: 'tea' }),
            await tx.on<Payments>('payments').debit(input),
          ],
          { budgetMs: 60_000 },
        )
        expect(value).toEqual([1, 1, 2])
      }
    })
  })
})
