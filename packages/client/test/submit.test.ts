import { InDoubt, TransactionAborted } from '@verdict/client'
import { digestOf, operationsHash } from '@verdict/protocol'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { type Inventory, type Payments, recorded, Stage, value } from './stage.ts'

const results = [[value('reserved')], [value('first'), value(2)]]

type Client = Parameters<Parameters<Stage['play']>[0]>[0]

function order(verdict: Client, options = {}) {
  const payments = verdict.call<Payments>('payments')
  const inventory = verdict.call<Inventory>('inventory')
  return verdict.submit(
    [payments.debit({ account: 'ada', cents: 5 }), inventory.reserve({ sku: 'tea' }), payments.audit()],
    options,
  )
}

describe('a one-shot', () => {
  test('sends the operations of each branch with the commit, and gives values in the order of the calls', async () => {
    const stage = new Stage()
    stage.onCommit = () => ({ kind: 'committed', applied: false, hazards: [], results })
    const submitted = await stage.play((verdict) => order(verdict))
    expect(submitted).toMatchObject({ outcome: 'committed', replayed: false, values: ['first', 'reserved', 2] })
    const [commit] = stage.commits
    expect(commit?.operations?.map((own) => own.map(({ name }) => name))).toEqual([['reserve'], ['debit', 'audit']])
    expect(commit?.list).toEqual([
      { kind: 'oneShot', participant: 'inventory', operations: operationsHash(commit?.operations?.[0] ?? []) },
      { kind: 'oneShot', participant: 'payments', operations: operationsHash(commit?.operations?.[1] ?? []) },
    ])
    expect(commit?.digest).toBe(commit && digestOf(commit.id, commit.list))
    expect(submitted.receipt.participants).toEqual(['inventory', 'payments'])
  })

  test('whose results are not there yet asks for them', async () => {
    const stage = new Stage()
    stage.onCommit = ({ wait }) => ({
      kind: 'committed',
      applied: wait === 'applied',
      hazards: [],
      results: wait === 'applied' ? results : 'pending',
    })
    expect((await stage.play((verdict) => order(verdict))).values).toEqual(['first', 'reserved', 2])
    expect(stage.commits.map(({ wait }) => wait)).toEqual(['decided', 'applied'])
  })

  test('whose results are lost is committed all the same', async () => {
    const stage = new Stage()
    stage.onCommit = ({ wait }) => ({ kind: 'committed', applied: wait === 'applied', hazards: [], results: 'pending' })
    expect(await stage.play((verdict) => order(verdict))).toMatchObject({ outcome: 'committed', values: undefined })
  })

  test('whose results cannot be had in time is committed all the same', async () => {
    const stage = new Stage()
    stage.onCommit = ({ wait }) =>
      wait === 'applied' ? 'silence' : { kind: 'committed', applied: false, hazards: [], results: 'pending' }
    expect(await stage.play((verdict) => order(verdict, { budgetMs: 1_000 }))).toMatchObject({
      outcome: 'committed',
      values: undefined,
    })
  })

  test.each([
    ['for fewer branches', [[value('reserved')]]],
    ['for fewer operations', [[value('reserved')], [value('first')]]],
  ])('whose results are %s gives none', async (_, partial) => {
    const stage = new Stage()
    stage.onCommit = () => ({ kind: 'committed', applied: true, hazards: [], results: partial })
    expect((await stage.play((verdict) => order(verdict))).values).toBeUndefined()
  })

  test('that is refused says who refused and why', async () => {
    const stage = new Stage()
    const reason = {
      code: 'insufficient-funds',
      message: 'Ada has nothing.',
      retryable: false,
      participant: 'payments',
    }
    stage.onCommit = () => ({ kind: 'aborted', reason })
    const error = await stage.fail(order)
    expect(error).toBeInstanceOf(TransactionAborted)
    expect(error).toMatchObject({ reason, recorded: true })
  })

  test('that nobody answers is in doubt', async () => {
    const stage = new Stage()
    stage.onCommit = () => 'silence'
    expect(await stage.fail((verdict) => order(verdict, { budgetMs: 100 }))).toBeInstanceOf(InDoubt)
  })

  test('under an id that was committed is told so, and nothing runs', async () => {
    const stage = new Stage()
    stage.onLook = () => recorded('committed')
    const submitted = await stage.play((verdict) => order(verdict, { id: verdict.newId() }))
    expect(submitted).toMatchObject({ outcome: 'committed', replayed: true, values: undefined })
    expect(stage.commits).toEqual([])
  })

  test('of nothing, or of too much, is refused before anything is sent', async () => {
    const stage = new Stage()
    await stage.play(async (verdict) => {
      const audit = verdict.call<Payments>('payments').audit()
      const large = verdict.call('payments')['store']?.('x'.repeat(60_000))
      await expect(verdict.submit([])).rejects.toMatchObject({ code: 'no-operations' })
      await expect(verdict.submit(Array.from({ length: 65 }, () => audit))).rejects.toMatchObject({
        code: 'too-many-calls',
      })
      const everybody = Array.from({ length: 129 }, (_, nth) => ({ ...audit, participant: `p${nth}` as never }))
      await expect(verdict.submit(everybody)).rejects.toMatchObject({ code: 'too-many-branches' })
      await expect(verdict.submit(Array.from({ length: 9 }, () => large ?? audit))).rejects.toMatchObject({
        code: 'payload-too-large',
      })
      expect(() => verdict.call('payments')['store']?.('x'.repeat(70_000))).toThrow('at most 65536')
      expect(() => verdict.call('Payments')).toThrow('cannot be the name')
    })
    expect(stage.asked.map(({ type }) => type)).toEqual(['hello'])
  })
})

test('the compiler knows names, inputs and values from the type of the participant alone', () => {
  const check = async (verdict: Client): Promise<void> => {
    const { values } = await order(verdict)
    expectTypeOf(values).toEqualTypeOf<readonly [string, string, number] | undefined>()
    // @ts-expect-error: it is not the name of that participant
    verdict.call<Payments>('inventory')
    // @ts-expect-error: it has no such operation
    verdict.call<Payments>('payments').refund()
    // @ts-expect-error: its input has cents
    verdict.call<Payments>('payments').debit({ account: 'ada' })
    const once = await verdict.transaction((tx) => tx.on<Payments>('payments').audit())
    expectTypeOf(once.value).toEqualTypeOf<number>()
    const kept = await verdict.transaction((tx) => tx.on<Payments>('payments').audit(), { id: verdict.newId() })
    expectTypeOf(kept.value).toEqualTypeOf<number | undefined>()
    if (!kept.replayed) expectTypeOf(kept.value).toEqualTypeOf<number>()
  }
  expect(check).toBeTypeOf('function')
})
