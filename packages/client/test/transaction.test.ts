import { ClientError, type Transaction, TransactionAborted } from '@verdict/client'
import { digestOf, maxBranches, parseId, type Reason } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { type Inventory, type Payments, Stage } from './stage.ts'

const input = { account: 'ada', cents: 5 }
const insufficient: Reason = { code: 'insufficient-funds', message: 'Ada has nothing.', retryable: false }

/** Calls two participants, so that the group decides. */
async function both(tx: Transaction): Promise<void> {
  await tx.on<Payments>('payments').debit(input)
  await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
}

describe('a transaction whose calls succeed', () => {
  test('asks for the commit of the sealed list of all its branches, and gives value and receipt', async () => {
    const stage = new Stage()
    const payments = stage.participant('payments')
    const inventory = stage.participant('inventory')
    const result = await stage.play((verdict) =>
      verdict.transaction(async (tx) => {
        const first = await tx.on<Payments>('payments').debit(input)
        await tx.on<Payments>('payments').debit(input)
        await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
        return first
      }),
    )
    const [commit] = stage.commits
    expect(commit?.list).toMatchObject([
      { kind: 'called', participant: 'inventory', instance: inventory.instance, calls: 1 },
      { kind: 'called', participant: 'payments', instance: payments.instance, calls: 2 },
    ])
    expect(commit?.digest).toBe(commit && digestOf(commit.id, commit.list))
    expect(result).toMatchObject({ outcome: 'committed', replayed: false, value: 'done' })
    expect(result.receipt).toEqual({
      id: commit?.id,
      path: 'logged',
      participants: ['inventory', 'payments'],
      digest: commit?.digest,
      applied: false,
      cost: expect.objectContaining({ hops: 6, logEntries: 1 }),
    })
    expect(parseId(result.receipt.id)).toMatchObject({ mark: 'once', owner: 'checkout', epoch: 5 })
    expect(stage.releases).toEqual([])
  })

  test('that only read has a receipt that says so', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.participant('inventory')
    stage.onCommit = () => ({ kind: 'read-only' })
    const { receipt } = await stage.play((verdict) => verdict.transaction(both))
    expect(receipt).toMatchObject({ path: 'read-only', applied: true })
  })

  test('that made no call has nothing to commit', async () => {
    const stage = new Stage()
    const { value, receipt } = await stage.play((verdict) => verdict.transaction(() => 7))
    expect(value).toBe(7)
    expect(receipt).toMatchObject({ path: 'read-only', participants: [], digest: undefined })
    expect(stage.commits).toEqual([])
  })

  test('waits for calls that its function did not await', async () => {
    const stage = new Stage()
    stage.participant('payments')
    await stage.play((verdict) =>
      verdict.transaction((tx) => {
        const { debit } = tx.on<Payments>('payments')
        void debit(input).then(() => debit(input))
      }),
    )
    expect(stage.alones[0]?.alone.list).toMatchObject([{ participant: 'payments', calls: 2 }])
  })

  test('waits until every branch has applied it, when it is asked to', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.participant('inventory')
    stage.onCommit = (_, nth) => ({ kind: 'committed', applied: nth > 0, hazards: [] })
    const { receipt } = await stage.play((verdict) => verdict.transaction(both, { wait: 'applied' }))
    expect(receipt.applied).toBe(true)
    expect(stage.commits.map(({ wait }) => wait)).toEqual(['applied', 'applied'])
  })

  test('is told what is known when a branch has not applied it in time', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.participant('inventory')
    const { receipt } = await stage.play((verdict) => verdict.transaction(both, { wait: 'applied', budgetMs: 1_000 }))
    expect(receipt.applied).toBe(false)
  })
})

describe('a transaction that gives up before it asked for the commit', () => {
  test('because a call was refused says who refused and why, releases its branches, and logs nothing', async () => {
    const stage = new Stage()
    stage.participant('inventory')
    stage.participant('payments', () => ({ kind: 'refused', reason: insufficient }))
    const error = await stage.fail((verdict) =>
      verdict.transaction(async (tx) => {
        await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
        await tx.on<Payments>('payments').debit(input)
      }),
    )
    expect(error).toBeInstanceOf(TransactionAborted)
    expect(error).toMatchObject({
      reason: { ...insufficient, participant: 'payments' },
      retryable: false,
      recorded: false,
    })
    await stage.simulation.run({ untilMs: stage.simulation.nowMs + 100 })
    expect(stage.releases).toHaveLength(1)
    expect(stage.releases[0]).toMatchObject({ participant: 'inventory' })
    expect([...stage.commits, ...stage.aborts]).toEqual([])
  })

  test('stays poisoned though its function catches the refusal', async () => {
    const stage = new Stage()
    stage.participant('inventory')
    stage.participant('payments', () => ({ kind: 'refused', reason: insufficient }))
    const error = await stage.fail((verdict) =>
      verdict.transaction(async (tx) => {
        await tx
          .on<Payments>('payments')
          .debit(input)
          .catch(() => undefined)
        await tx
          .on<Inventory>('inventory')
          .reserve({ sku: 'tea' })
          .catch(() => undefined)
        return 'as if nothing had happened'
      }),
    )
    expect(error).toMatchObject({ reason: insufficient })
    expect(stage.calls.map(({ participant }) => participant)).toEqual(['payments'])
    expect(stage.commits).toEqual([])
  })

  test('stays poisoned though nobody awaited the call that failed', async () => {
    const stage = new Stage()
    stage.participant('payments', () => ({ kind: 'refused', reason: insufficient }))
    const error = await stage.fail((verdict) =>
      verdict.transaction((tx) => {
        void tx.on<Payments>('payments').debit(input)
      }),
    )
    expect(error).toMatchObject({ reason: insufficient })
    expect(stage.commits).toEqual([])
  })

  test('because a call was never answered, when its budget is spent', async () => {
    const stage = new Stage()
    stage.participant('inventory')
    stage.participant('payments', () => 'silence')
    const error = await stage.fail((verdict) =>
      verdict.transaction(
        async (tx) => {
          await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
          await tx.on<Payments>('payments').debit(input)
        },
        { budgetMs: 3_000 },
      ),
    )
    expect(error).toMatchObject({ reason: { code: 'budget-spent' }, retryable: true })
    expect(stage.simulation.nowMs).toBeLessThan(3_100)
    expect(stage.commits).toEqual([])
  })

  test('because its function threw carries that error', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const cause = new RangeError('a bug')
    const error = await stage.fail((verdict) =>
      verdict.transaction(async (tx) => {
        await tx.on<Payments>('payments').debit(input)
        throw cause
      }),
    )
    expect(error).toMatchObject({ reason: { code: 'client-aborted' }, cause })
    await stage.simulation.run({ untilMs: stage.simulation.nowMs + 100 })
    expect(stage.releases).toHaveLength(1)
    expect([...stage.commits, ...stage.aborts]).toEqual([])
  })

  test('because its function asked for that', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const error = await stage.fail((verdict) =>
      verdict.transaction(async (tx) => {
        await tx.on<Payments>('payments').debit(input)
        tx.abort('Changed my mind.')
      }),
    )
    expect(error).toMatchObject({ reason: { code: 'client-aborted', message: 'Changed my mind.' } })
    expect(error).not.toHaveProperty('cause')
    expect(stage.commits).toEqual([])
  })

  test('because its function does not end, though it makes no call', async () => {
    const stage = new Stage()
    const error = await stage.fail((verdict) =>
      verdict.transaction(() => new Promise(() => undefined), { budgetMs: 500 }),
    )
    expect(error).toMatchObject({ reason: { code: 'budget-spent' } })
  })

  test('because its caller lost interest', async () => {
    const stage = new Stage()
    stage.participant('payments', () => 'silence')
    const error = await stage.fail((verdict, { clock }) => {
      const controller = new AbortController()
      clock.after(100, () => controller.abort())
      return verdict.transaction((tx) => tx.on<Payments>('payments').debit(input), { signal: controller.signal })
    })
    expect(error).toMatchObject({ reason: { code: 'client-aborted' } })
    expect(stage.simulation.nowMs).toBeLessThan(1_000)
  })

  test('because an argument cannot travel', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const error = await stage.fail((verdict) =>
      verdict.transaction((tx) => tx.on<Payments>('payments').debit({ account: 'x'.repeat(70_000), cents: 1 })),
    )
    expect(error).toMatchObject({ reason: { code: 'client-aborted' }, cause: { code: 'payload-too-large' } })
    expect(stage.calls).toEqual([])
  })

  test('because it called more participants than a list may name', async () => {
    const stage = new Stage()
    for (let nth = 0; nth < maxBranches; nth += 1) stage.participant(`p${nth}`)
    const error = await stage.fail((verdict) =>
      verdict.transaction(async (tx) => {
        for (let nth = 0; nth <= maxBranches; nth += 1) await tx.on(`p${nth}` as string)['run']?.(1)
      }),
    )
    expect(error).toMatchObject({ cause: { code: 'too-many-branches' } })
    expect(stage.calls).toHaveLength(maxBranches)
  })

  test('cannot be called into afterwards', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const error = await stage.fail(async (verdict) => {
      let later: () => Promise<unknown> = () => Promise.resolve()
      await verdict.transaction(async (tx) => {
        await tx.on<Payments>('payments').debit(input)
        later = () => tx.on<Payments>('payments').debit(input)
      })
      await later()
    })
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'transaction-over' })
    expect(stage.calls).toHaveLength(1)
  })
})
