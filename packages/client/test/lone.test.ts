import { ClientError, explain, InDoubt, TransactionAborted } from '@verdict/client'
import { digestOf, type Reason } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { type Inventory, type Payments, recorded, Stage, value } from './stage.ts'

const input = { account: 'ada', cents: 5 }
const insufficient: Reason = { code: 'insufficient-funds', message: 'Ada has nothing.', retryable: false }
type Client = Parameters<Parameters<Stage['play']>[0]>[0]

const pay = (verdict: Client, options = {}) =>
  verdict.transaction((tx) => tx.on<Payments>('payments').debit(input), options)

const submit = (verdict: Client, options = {}) =>
  verdict.submit([verdict.call<Payments>('payments').debit(input), verdict.call<Payments>('payments').audit()], options)

function inDoubt(error: unknown): InDoubt {
  if (error instanceof InDoubt) return error
  throw error
}

describe('a transaction of one branch', () => {
  test('is decided by its participant, and the group is not asked', async () => {
    const stage = new Stage()
    const payments = stage.participant('payments')
    const took = { runMs: 0.5, commitMs: 2 }
    stage.onAlone = () => ({ kind: 'committed', took })
    const { value: told, receipt } = await stage.play((verdict) => pay(verdict))
    expect(told).toBe('done')
    const [asked] = stage.alones
    const { instance } = payments
    expect(asked?.subject).toBe(`verdict.v1.call.payments.${instance}.checkout`)
    expect(asked?.alone).toMatchObject({ list: [{ participant: 'payments', instance, calls: 1 }], again: false })
    expect(asked?.alone.digest).toBe(asked && digestOf(asked.alone.id, asked.alone.list))
    expect(receipt).toMatchObject({ path: 'lone', participants: ['payments'], applied: true })
    expect(receipt.cost).toMatchObject({ messages: 4, hops: 2, flushes: 1, logEntries: 0 })
    expect(stage.asked.map(({ type }) => type)).toEqual(['hello'])
  })

  test('in one shot goes to any instance, with its operations, and gives their values', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onAlone = () => ({ kind: 'committed', results: [value('paid'), value(7)] })
    const { values, receipt } = await stage.play((verdict) => submit(verdict))
    expect(values).toEqual(['paid', 7])
    expect(receipt).toMatchObject({ path: 'lone', cost: { messages: 2, hops: 2, flushes: 1 } })
    expect(stage.alones[0]?.subject).toBe('verdict.v1.call.payments.checkout')
    expect(stage.alones[0]?.alone.operations?.map(({ name }) => name)).toEqual(['debit', 'audit'])
    expect(stage.commits).toEqual([])
  })

  test('that only read kept nothing', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onAlone = () => ({ kind: 'read-only' })
    const { receipt } = await stage.play((verdict) => pay(verdict))
    expect(receipt).toMatchObject({ path: 'read-only', cost: { hops: 2, flushes: 0, logEntries: 0 } })
  })

  test('that is aborted says who refused and why', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onAlone = () => ({ kind: 'aborted', reason: insufficient })
    const error = await stage.fail(pay)
    expect(error).toBeInstanceOf(TransactionAborted)
    expect(error).toMatchObject({ reason: { ...insufficient, participant: 'payments' }, recorded: true })
  })

  test('under an id that the caller keeps is logged', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const { receipt } = await stage.play((verdict) => pay(verdict, { id: verdict.newId() }))
    expect(receipt).toMatchObject({ path: 'logged', cost: { logEntries: 1 } })
    expect(stage.commits).toHaveLength(1)
    expect(stage.alones).toEqual([])
  })

  test('is asked for again while its participant does not know, at the instance that holds it', async () => {
    const stage = new Stage()
    const payments = stage.participant('payments')
    stage.onAlone = (_, nth) => (nth === 0 ? 'silence' : nth === 1 ? { kind: 'busy' } : { kind: 'committed' })
    const { receipt } = await stage.play((verdict) => pay(verdict))
    expect(receipt.path).toBe('lone')
    expect(stage.alones.map(({ alone }) => alone.again)).toEqual([false, true, true])
    expect(stage.alones[1]?.subject).toBe(`verdict.v1.call.payments.${payments.instance}.checkout`)
  })

  test('is asked for at any instance once the one that holds it is gone', async () => {
    const stage = new Stage()
    const { crash } = stage.participant('payments', () => {
      stage.simulation.plan(5, () => {
        crash()
        stage.participant('payments', undefined, 'another')
      })
      return { value: 'done' }
    })
    stage.onAlone = () => ({ kind: 'aborted', reason: insufficient })
    const error = await stage.fail((verdict) =>
      verdict.transaction(async (tx) => {
        await tx.on<Payments>('payments').debit(input)
        await new Promise<void>((resolve) => stage.simulation.plan(20, resolve))
      }),
    )
    expect(error).toBeInstanceOf(TransactionAborted)
    expect(stage.alones.map(({ subject }) => subject)).toEqual(['verdict.v1.call.payments.checkout'])
  })

  test('that nobody answers is in doubt, never aborted, and says what to ask with', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onAlone = () => 'silence'
    const error = inDoubt(await stage.fail((verdict) => pay(verdict, { budgetMs: 2_000 })))
    const list = stage.alones[0]?.alone.list
    expect(error).toMatchObject({ doubt: { id: stage.alones[0]?.alone.id, lone: list }, retryable: false })
    expect(stage.simulation.nowMs).toBeGreaterThan(7_000)
    expect(stage.releases).toEqual([])
  })

  test('that nobody serves is in doubt too: nobody knows who heard it', async () => {
    const stage = new Stage()
    const error = inDoubt(await stage.fail((verdict) => submit(verdict, { budgetMs: 1_000 })))
    expect(error.message).toContain('payments')
  })

  test('is asked for without its operations once its time is over', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onAlone = ({ operations }) => (operations ? { kind: 'busy' } : { kind: 'aborted', reason: insufficient })
    expect(await stage.fail((verdict) => submit(verdict, { budgetMs: 2_000 }))).toBeInstanceOf(TransactionAborted)
  })

  test.each([
    [{ kind: 'expired' }, { name: 'InDoubt', expired: true }],
    [{ kind: 'conflict' }, { name: 'TransactionAborted', recorded: true }],
  ] as const)('that is answered %j is no success', async (answer, expected) => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onAlone = () => answer
    expect(await stage.fail(pay)).toMatchObject(expected)
  })

  test('believes no answer for another list, and none of a group', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onAlone = ({ id, digest }, nth) => {
      const { world } = stage.groupProcess
      if (nth > 0) return { kind: 'committed' }
      const said = { type: 'loneDecided', id, digest, instance: 'b'.repeat(20) as never } as const
      const answer = { kind: 'aborted', reason: insufficient } as const
      stage.reply(world, { ...said, answer }, stage.lastAlone.request, stage.lastAlone.inbox)
      stage.lastInbox = stage.lastAlone.inbox
      stage.lastRequest = stage.lastAlone.request
      const by = { kind: 'participant', participant: 'payments' as never } as const
      stage.say(world, { ...said, answer, digest: 'b'.repeat(26) as never }, by)
      stage.say(world, { ...said, answer }, { ...by, participant: 'inventory' as never })
      return 'silence'
    }
    const counters = await stage.play(async (verdict) => {
      expect((await pay(verdict)).receipt.path).toBe('lone')
      return { ...verdict.counters }
    })
    expect(counters).toMatchObject({ foreign: 3 })
  })
})

describe('what is in doubt', () => {
  test('is asked again with what the error carries, also after it was kept as text', async () => {
    const stage = new Stage()
    stage.participant('payments')
    let silent = true
    stage.onAlone = () => (silent ? 'silence' : { kind: 'committed' })
    const outcome = await stage.play(async (verdict) => {
      const error = inDoubt(await submit(verdict, { budgetMs: 100 }).catch((thrown: unknown) => thrown))
      silent = false
      return await verdict.outcome(JSON.parse(JSON.stringify(error.doubt)))
    })
    expect(outcome).toMatchObject({ outcome: 'committed', receipt: { path: 'lone', participants: ['payments'] } })
    expect(stage.alones.at(-1)?.alone.operations).toBeUndefined()
  })

  test('of a lone one is told aborted when its participant has buried it', async () => {
    const stage = new Stage()
    stage.participant('payments')
    let silent = true
    stage.onAlone = () => (silent ? 'silence' : { kind: 'aborted', reason: insufficient })
    const outcome = await stage.play(async (verdict) => {
      const error = inDoubt(await pay(verdict, { budgetMs: 100 }).catch((thrown: unknown) => thrown))
      silent = false
      return await verdict.outcome(error.doubt)
    })
    expect(outcome).toMatchObject({ outcome: 'aborted', reason: insufficient })
  })

  test('of a logged one is looked up at the group', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.participant('inventory')
    stage.onCommit = () => 'silence'
    stage.onLook = (_, nth) => (nth === 0 ? { kind: 'none' } : recorded('committed'))
    await stage.play(async (verdict) => {
      const work = verdict.transaction(
        async (tx) => {
          await tx.on<Payments>('payments').debit(input)
          await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
        },
        { budgetMs: 100 },
      )
      const { doubt } = inDoubt(await work.catch((thrown: unknown) => thrown))
      expect(doubt).toEqual({ id: doubt.id })
      await expect(verdict.outcome(doubt)).rejects.toBeInstanceOf(InDoubt)
      expect(await verdict.outcome(doubt)).toMatchObject({ outcome: 'committed', receipt: { path: 'logged' } })
    })
  })

  test("is nobody's who did not begin it, and names one branch if it is lone", async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onAlone = () => 'silence'
    await stage.play(async (verdict) => {
      const { doubt } = inDoubt(await pay(verdict, { budgetMs: 100 }).catch((thrown: unknown) => thrown))
      const foreign = doubt.id.replace('_checkout_', '_stranger_') as never
      await expect(verdict.outcome({ ...doubt, id: foreign })).rejects.toMatchObject({ code: 'foreign-id' })
      const [branch] = doubt.lone ?? []
      const two = [branch, { ...branch, participant: 'stock' }] as never
      await expect(verdict.outcome({ ...doubt, lone: two })).rejects.toBeInstanceOf(ClientError)
    })
  })
})

test('a receipt explains in words which path was taken, what it cost, and where the time went', async () => {
  const stage = new Stage()
  stage.participant('payments')
  stage.simulation.network.set({ minDelayMs: 1, maxDelayMs: 1 })
  stage.onAlone = () => ({ kind: 'committed', took: { runMs: 0.25, commitMs: 0.5 } })
  const { receipt } = await stage.play((verdict) => pay(verdict))
  expect(explain(receipt).split('\n')).toEqual([
    'lone at payments: 4 messages (2 in series after commit was asked for), 1 flush, no log entry, 4.0 ms',
    '  calls       2.0 ms',
    '  commit      0.5 ms',
    '  on the way  1.5 ms',
  ])
  const { totalMs, steps } = receipt.cost ?? { totalMs: 0, steps: [] }
  expect(steps.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(totalMs)
  expect(explain({ ...receipt, cost: undefined })).toContain('an earlier run')
})
