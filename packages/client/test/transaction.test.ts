import { ClientError, InDoubt, TransactionAborted } from '@verdict/client'
import { digestOf, maxBranches, operationScope, parseId, type Reason, type TransactionId } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { type Inventory, type Payments, Stage } from './stage.ts'

const input = { account: 'ada', cents: 5 }
const insufficient: Reason = { code: 'insufficient-funds', message: 'Ada has nothing.', retryable: false }

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
    })
    expect(parseId(result.receipt.id)).toMatchObject({ mark: 'once', owner: 'checkout', epoch: 5 })
    expect(stage.releases).toEqual([])
  })

  test('that only read has a receipt that says so', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = () => ({ kind: 'read-only' })
    const { receipt } = await stage.play((verdict) => verdict.transaction((tx) => tx.on<Payments>('payments').audit()))
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
    expect(stage.commits[0]?.list).toMatchObject([{ participant: 'payments', calls: 2 }])
  })

  test('waits until every branch has applied it, when it is asked to', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = (_, nth) => ({ kind: 'committed', applied: nth > 0, hazards: [] })
    const { receipt } = await stage.play((verdict) =>
      verdict.transaction((tx) => tx.on<Payments>('payments').debit(input), { wait: 'applied' }),
    )
    expect(receipt.applied).toBe(true)
    expect(stage.commits.map(({ wait }) => wait)).toEqual(['applied', 'applied'])
  })

  test('is told what is known when a branch has not applied it in time', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const { receipt } = await stage.play((verdict) =>
      verdict.transaction((tx) => tx.on<Payments>('payments').debit(input), { wait: 'applied', budgetMs: 1_000 }),
    )
    expect(receipt.applied).toBe(false)
  })
})

describe('calls', () => {
  test('to one participant run one after another on the instance that holds the branch', async () => {
    const stage = new Stage()
    const payments = stage.participant('payments')
    await stage.play((verdict) =>
      verdict.transaction(async (tx) => {
        const { debit } = tx.on<Payments>('payments')
        await Promise.all([debit(input), debit(input), debit(input)])
      }),
    )
    expect(stage.calls.map(({ call }) => call.n)).toEqual([1, 2, 3])
    const [first, ...later] = stage.calls
    expect(first?.subject).toBe('verdict.v1.call.payments.checkout')
    expect(first?.call.token).toBeUndefined()
    for (const { subject, call } of later) {
      expect(subject).toBe(`verdict.v1.call.payments.${payments.instance}.checkout`)
      expect(call.token).toBe(stage.commits[0]?.list.map((branch) => 'token' in branch && branch.token)[0])
    }
  })

  test('to different participants run at the same time', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.participant('inventory')
    stage.simulation.network.set({ minDelayMs: 100, maxDelayMs: 100 })
    const tookMs = await stage.play((verdict, { clock }) =>
      verdict.transaction(async (tx) => {
        const begunMs = clock.nowMs()
        await Promise.all([
          tx.on<Payments>('payments').debit(input),
          tx.on<Inventory>('inventory').reserve({ sku: 'tea' }),
        ])
        return clock.nowMs() - begunMs
      }),
    )
    expect(tookMs.value).toBeLessThan(300)
  })

  test('that get no answer are sent again under the same nonce and number', async () => {
    const stage = new Stage()
    stage.participant('payments', (_, nth) => (nth % 2 === 0 ? 'silence' : { value: 'done' }))
    await stage.play((verdict) =>
      verdict.transaction(async (tx) => {
        await tx.on<Payments>('payments').debit(input)
        await tx.on<Payments>('payments').debit(input)
      }),
    )
    expect(stage.calls.map(({ call }) => call.n)).toEqual([1, 1, 2, 2])
    expect(new Set(stage.calls.map(({ call }) => call.nonce)).size).toBe(1)
  })

  test('that opened a second branch on their way have it released', async () => {
    const stage = new Stage()
    // One instance is so slow that the call is sent again, and reaches the other.
    stage.participant('payments', undefined, 'slow')
    stage.participant('payments', undefined, 'quick')
    stage.simulation.network.intercept(({ from }) => (from === 'slow' ? { delayMs: 3_000 } : 'pass'))
    await stage.play(async (verdict, { clock }) => {
      for (let round = 0; round < 12; round += 1)
        await verdict.transaction((tx) => tx.on<Payments>('payments').debit(input))
      await new Promise<void>((resolve) => clock.after(5_000, resolve))
    })
    const committed = stage.commits.flatMap(({ list }) =>
      list.flatMap((branch) => ('token' in branch ? [branch.token] : [])),
    )
    const strays = [...stage.opened].filter((token) => !committed.includes(token))
    const released = stage.releases.map(({ release }) => release.token)
    expect(strays).not.toEqual([])
    expect(released).toEqual(expect.arrayContaining(strays))
  })

  test('to nobody fail soon, and a new attempt may succeed', async () => {
    const stage = new Stage()
    const error = await stage.fail((verdict) => verdict.transaction((tx) => tx.on<Payments>('payments').debit(input)))
    expect(error).toBeInstanceOf(TransactionAborted)
    expect(error).toMatchObject({ reason: { code: 'unreachable', participant: 'payments' }, retryable: true })
    expect(stage.simulation.nowMs).toBeLessThan(5_000)
  })

  test('to nobody for a moment are sent again until somebody is there', async () => {
    const stage = new Stage()
    stage.simulation.plan(500, () => void stage.participant('payments'))
    const { value } = await stage.play((verdict) =>
      verdict.transaction((tx) => tx.on<Payments>('payments').debit(input)),
    )
    expect(value).toBe('done')
  })

  test('to an instance that is gone fail: its branch is gone with it', async () => {
    const stage = new Stage()
    const { crash } = stage.participant('payments')
    stage.participant('payments', undefined, 'another')
    const error = await stage.fail((verdict) =>
      verdict.transaction(async (tx) => {
        stage.simulation.network.cutOneWay('client', 'another')
        await tx.on<Payments>('payments').debit(input)
        crash()
        await tx.on<Payments>('payments').debit(input)
      }),
    )
    expect(error).toMatchObject({ reason: { code: 'instance-gone' }, retryable: true, recorded: false })
  })

  test('by code of an operation are refused before anything is sent', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const error = await stage.fail((verdict) =>
      operationScope.run({ participant: 'orders', operation: 'place' }, () =>
        verdict.transaction((tx) => tx.on<Payments>('payments').debit(input)),
      ),
    )
    expect(error).toMatchObject({ code: 'nested-call' })
    expect(stage.calls).toEqual([])
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

describe('a commit', () => {
  const pay = (verdict: Parameters<Parameters<Stage['play']>[0]>[0], options = {}) =>
    verdict.transaction((tx) => tx.on<Payments>('payments').debit(input), options)

  test('that was aborted says who refused and why', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = () => ({ kind: 'aborted', reason: { ...insufficient, participant: 'payments' } })
    const error = await stage.fail(pay)
    expect(error).toBeInstanceOf(TransactionAborted)
    expect(error).toMatchObject({ reason: { ...insufficient, participant: 'payments' }, recorded: true })
  })

  test('is asked for again until it is answered', async () => {
    const stage = new Stage()
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
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = (_, nth) => (nth === 0 ? answer : { kind: 'committed', applied: false, hazards: [] })
    expect((await stage.play((verdict) => pay(verdict))).outcome).toBe('committed')
    expect(stage.commits).toHaveLength(2)
  })

  test('waits for a leader', async () => {
    const stage = new Stage()
    stage.participant('payments', () => {
      stage.groupProcess.crash()
      stage.simulation.plan(3_000, () => stage.groupProcess.start())
      return { value: 'done' }
    })
    expect((await stage.play((verdict) => pay(verdict))).outcome).toBe('committed')
  })

  test('that nobody answers is in doubt, never aborted, and only after budget and grace', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = () => 'silence'
    const error = await stage.fail((verdict) => pay(verdict, { budgetMs: 2_000 }))
    expect(error).toBeInstanceOf(InDoubt)
    expect(error).toMatchObject({ id: stage.commits[0]?.id, expired: false, retryable: false })
    expect(stage.simulation.nowMs).toBeGreaterThan(7_000)
    expect(stage.releases).toEqual([])
  })

  test('in doubt is asked for the outcome alone once the budget is spent', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = ({ wait }) => (wait === 'applied' ? 'silence' : { kind: 'committed', applied: false, hazards: [] })
    const { receipt } = await stage.play((verdict) => pay(verdict, { wait: 'applied', budgetMs: 1_000 }))
    expect(receipt.applied).toBe(false)
  })

  test('whose caller lost interest is in doubt', async () => {
    const stage = new Stage()
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
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = () => answer
    expect(await stage.fail(pay)).toMatchObject(expected)
  })

  test('with hazards is never told as success', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const hazards = [
      { participant: 'payments' as never, kind: 'effects-lost' as const, note: 'restored from a backup' },
    ]
    stage.onCommit = () => ({ kind: 'committed', applied: true, hazards })
    const error = await stage.fail(pay)
    expect(error).toMatchObject({ code: 'committed-with-hazards', hazards, retryable: false })
  })

  test('believes neither another group, nor a participant, nor an answer for another list', async () => {
    const stage = new Stage()
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
    const stage = new Stage()
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
