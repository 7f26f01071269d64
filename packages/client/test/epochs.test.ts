import type { Transaction, Verdict } from '@verdict/client'
import { type Epoch, parseId } from '@verdict/protocol'
import type { SimulatedWorld } from '@verdict/runtime/simulated'
import { describe, expect, test } from 'vitest'
import { type Payments, Stage } from './stage.ts'

const minuteMs = 60_000

function pass({ clock }: SimulatedWorld, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}

async function epochOfRun(verdict: Verdict): Promise<number> {
  const { receipt } = await verdict.transaction((tx) => tx.on<Payments>('payments').audit())
  return parseId(receipt.id).epoch
}

/** Two branches: what the group decides. */
async function callBoth(tx: Transaction): Promise<void> {
  await tx.on<Payments>('payments').audit()
  await tx.on<Payments>('ledger' as 'payments').audit()
}

function staged(): Stage {
  const stage = new Stage()
  stage.participant('payments')
  stage.participant('ledger')
  return stage
}

const hellos = (stage: Stage): number => stage.asked.filter(({ type }) => type === 'hello').length

describe('R11: the epoch of an id', () => {
  test('is not old, however long the client was idle', async () => {
    const stage = staged()
    const epoch = await stage.play(async (verdict, world) => {
      stage.epoch = 70 as Epoch
      await pass(world, 5 * minuteMs)
      return parseId(verdict.newId()).epoch
    })
    expect(epoch).toBe(70)
  })

  test('is asked for before a transaction begins, when the known one is old by the own clock', async () => {
    const stage = staged()
    stage.onHello = (nth) => nth === 0
    const epoch = await stage.play(async (verdict, world) => {
      await pass(world, 5 * minuteMs)
      stage.onHello = () => true
      stage.epoch = 70 as Epoch
      return await epochOfRun(verdict)
    })
    expect(epoch).toBe(70)
  })

  test('is asked for once, for however many transactions', async () => {
    const stage = staged()
    stage.onHello = (nth) => nth === 0
    const asked = await stage.play(async (verdict, world) => {
      await pass(world, 5 * minuteMs)
      stage.onHello = () => true
      const before = hellos(stage)
      await Promise.all(Array.from({ length: 20 }, () => epochOfRun(verdict)))
      return hellos(stage) - before
    })
    expect(asked).toBe(1)
  })

  test('is the known one when nobody tells a newer one in time: at worst it expires early', async () => {
    const stage = staged()
    stage.onHello = (nth) => nth === 0
    const [epoch, ms] = await stage.play(async (verdict, world) => {
      await pass(world, 5 * minuteMs)
      const beganMs = world.clock.nowMs()
      return [await epochOfRun(verdict), world.clock.nowMs() - beganMs]
    })
    expect(epoch).toBe(5)
    expect(ms).toBeLessThan(3_000)
  })

  test('is learnt from the answer to a look, too, and then not asked for', async () => {
    const stage = staged()
    const asked = await stage.play(async (verdict, world) => {
      for (let epoch = 6; epoch <= 20; epoch += 1) {
        await pass(world, minuteMs / 4)
        stage.epoch = epoch as Epoch
        await verdict.look(verdict.newId())
        expect(parseId(verdict.newId()).epoch).toBe(epoch)
      }
      return hellos(stage)
    })
    expect(asked).toBe(1)
  })
})

describe('R11: a budget', () => {
  test('is a third of what the group keeps at most', async () => {
    const stage = staged()
    stage.retentionMs = 30_000
    await stage.play(async (verdict) => {
      const run = (budgetMs: number) => verdict.transaction(() => 1, { budgetMs })
      await expect(run(10_001)).rejects.toMatchObject({ code: 'bad-option', message: /1 to 10000/ })
      await expect(run(10_000)).resolves.toMatchObject({ outcome: 'committed' })
    })
  })

  test('that is not named fits into what the group keeps', async () => {
    const stage = staged()
    stage.retentionMs = 3_000
    await stage.play((verdict) => verdict.transaction(callBoth))
    expect(stage.commits[0]?.leftMs).toBeLessThanOrEqual(1_000)
  })

  test('of twenty minutes is the longest, however much the group keeps', async () => {
    const stage = staged()
    stage.retentionMs = 24 * 60 * minuteMs
    await stage.play(async (verdict) => {
      const run = verdict.transaction(() => 1, { budgetMs: 20 * minuteMs + 1 })
      await expect(run).rejects.toMatchObject({ code: 'bad-option' })
    })
  })
})

describe('R11: expired', () => {
  test('before commit was asked for, nothing took effect, and a new attempt under a new id can help', async () => {
    const stage = new Stage()
    const reason = { code: 'expired', message: 'Its epoch is behind the floor.', retryable: true }
    stage.participant('payments', () => ({ kind: 'refused', reason }))
    const error = await stage.fail(epochOfRun)
    expect(error).toMatchObject({ code: 'transaction-aborted', retryable: true, recorded: false, reason })
  })

  test('before commit was asked for makes the client ask for the epoch: the next attempt has a new one', async () => {
    const stage = new Stage()
    const reason = { code: 'expired', message: 'Its epoch is behind the floor.', retryable: true }
    stage.participant('payments', (_, nth) => (nth === 0 ? { kind: 'refused', reason } : { value: 'done' }))
    const epoch = await stage.play(async (verdict) => {
      stage.epoch = 70 as Epoch
      await expect(epochOfRun(verdict)).rejects.toMatchObject({ reason })
      return await epochOfRun(verdict)
    })
    expect(epoch).toBe(70)
  })

  test.each(['once', 'kept'] as const)(
    'after it was asked for under an id used %s is in doubt for good',
    async (mark) => {
      const stage = staged()
      stage.onCommit = () => ({ kind: 'expired' })
      const error = await stage.fail((verdict) => {
        const id = mark === 'kept' ? { id: verdict.newId() } : {}
        return verdict.transaction(callBoth, id as { id: string })
      })
      expect(error).toMatchObject({ code: 'in-doubt', expired: true, retryable: false })
      expect(stage.commits).toHaveLength(1)
    },
  )
})
