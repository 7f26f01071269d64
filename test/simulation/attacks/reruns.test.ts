import type { TransactionId } from '@verdict/protocol'
import { expect, test } from 'vitest'
import type { Client, Run } from './client.ts'
import type { ServiceContract } from './service.ts'
import { gate, Stage } from './stage.ts'

/** Runs an id again and again, as a caller does that keeps it, until there is a definite answer. */
async function insist(stage: Stage, client: Client, id: TransactionId): Promise<Run<unknown>> {
  for (let tries = 1; tries <= 20; tries += 1) {
    const run = client.transfer('alpha', 'beta', { id })
    await stage.until(() => run.done)
    if (run.told === 'committed' || run.told === 'aborted') return run
    await stage.pass(500)
  }
  throw new Error(`${id} does not come to an answer.`)
}

/** No participant remembers anything but what its database holds. */
async function forget(stage: Stage): Promise<void> {
  await stage.rest()
  stage.alpha.restart()
  stage.beta.restart()
  await stage.until(() => stage.alpha.serving.size + stage.beta.serving.size === 2)
}

async function expectPaidAsTold(stage: Stage, runs: readonly Run<unknown>[]): Promise<void> {
  await stage.rest()
  const moved = stage.balances()['alpha'] === 90
  expect(stage.balances()).toEqual(moved ? { alpha: 90, beta: 110 } : { alpha: 100, beta: 100 })
  for (const { told } of runs) {
    if (told === 'committed') expect(moved).toBe(true)
    if (told === 'aborted') expect(moved).toBe(false)
  }
}

test('R17: runs under one kept id that overlap pay once, whenever the second one begins', async () => {
  for (let delayMs = 0; delayMs <= 24; delayMs += 1) {
    const stage = await Stage.set({ seed: 100 + delayMs })
    const other = await stage.anotherClient('other')
    const id = stage.client.verdict.newId()
    const runs = [stage.client.transfer('alpha', 'beta', { id })]
    await stage.pass(delayMs)
    runs.push(other.transfer('alpha', 'beta', { id }))
    await stage.until(() => runs.every(({ done }) => done))
    const last = await insist(stage, other, id)
    expect(last.told).toBe('committed')
    await expectPaidAsTold(stage, [...runs, last])
  }
})

test('R17: three runs that overlap pay once, though the first client, its leader and a participant die', async () => {
  for (let diesAtMs = 2; diesAtMs <= 26; diesAtMs += 2) {
    for (const dies of ['client', 'leader', 'participant'] as const) {
      const stage = await Stage.set({ seed: 200 + diesAtMs })
      const others = [await stage.anotherClient('other'), await stage.anotherClient('third')] as const
      const id = stage.client.verdict.newId()
      const first = stage.client.transfer('alpha', 'beta', { id })
      stage.simulation.plan(diesAtMs, () => {
        if (dies === 'client') stage.client.process.crash()
        else if (dies === 'leader') stage.group.crashLeader()
        else stage.beta.restart()
      })
      await stage.pass(3)
      const second = others[0].transfer('alpha', 'beta', { id })
      await stage.pass(3)
      const third = others[1].transfer('alpha', 'beta', { id })
      await stage.until(() => second.done && third.done && (first.done || !stage.client.process.running))
      const last = await insist(stage, others[1], id)
      await expectPaidAsTold(stage, [first, second, third, last])
    }
  }
})

test('R17: one-shots under one kept id that overlap pay once', async () => {
  for (let delayMs = 0; delayMs <= 12; delayMs += 1) {
    const stage = await Stage.set({ seed: 300 + delayMs })
    const other = await stage.anotherClient('other')
    const id = stage.client.verdict.newId()
    const runs = [stage.client.submit('alpha', 'beta', { id })]
    await stage.pass(delayMs)
    runs.push(other.submit('alpha', 'beta', { id }))
    await stage.until(() => runs.every(({ done }) => done))
    expect(runs.map(({ told }) => told)).toEqual(['committed', 'committed'])
    await expectPaidAsTold(stage, runs)
  }
})

test('R17: runs that overlap share no branch: the second one sees no result of the first', async () => {
  const stage = await Stage.set()
  const other = await stage.anotherClient('other')
  const id = stage.client.verdict.newId()
  const { passed, open } = gate()
  const first = stage.client.begin((verdict) =>
    verdict.transaction(
      async (tx) => {
        await tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -10 })
        await passed
        await tx.on<ServiceContract>('beta').add({ key: 'a', amount: 10 })
      },
      { id },
    ),
  )
  await stage.until(() => stage.alpha.executed.length === 1)
  const seen: number[] = []
  const second = other.begin((verdict) =>
    verdict.transaction(
      async (tx) => {
        seen.push(await tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -20 }))
      },
      { id },
    ),
  )
  await stage.until(() => stage.wire.all('result from alpha').length === 2)
  open()
  await stage.until(() => first.done && second.done)
  expect(seen).toEqual([])
  expect([first.told, second.told]).toEqual(['committed', 'committed'])
  expect(second.value).toMatchObject({ replayed: true })
  await expectPaidAsTold(stage, [first, second])
})

test('R17: a run of what is committed already does not run again, and is told so', async () => {
  const stage = await Stage.set()
  const id = stage.client.verdict.newId()
  const first = stage.client.transfer('alpha', 'beta', { id })
  await stage.until(() => first.done)
  await forget(stage)
  const again = stage.client.transfer('alpha', 'beta', { id })
  const once = stage.client.submit('alpha', 'beta', { id })
  await stage.until(() => again.done && once.done)
  expect([first.value, again.value, once.value]).toMatchObject([
    { replayed: false },
    { replayed: true },
    { replayed: true },
  ])
  expect([stage.wire.all('call').length, stage.wire.all('commit').length]).toEqual([2, 1])
  await expectPaidAsTold(stage, [first, again, once])
})

test('R17: a run of what is aborted already does not run again, and is told so', async () => {
  const stage = await Stage.set()
  const id = stage.client.verdict.newId()
  const silence = stage.wire.lose('vote from beta')
  const first = stage.client.transfer('alpha', 'beta', { id, budgetMs: 2_000 })
  await stage.until(() => first.done)
  silence()
  await forget(stage)
  const again = stage.client.transfer('alpha', 'beta', { id })
  await stage.until(() => again.done)
  expect([first.told, again.told]).toEqual(['aborted', 'aborted'])
  expect(stage.wire.all('call')).toHaveLength(2)
  await expectPaidAsTold(stage, [first, again])
})

test('R4, R17: a run whose list lost against that of another run is told what that one came to', async () => {
  const stage = await Stage.set({ services: { alpha: {}, beta: {}, gamma: {}, delta: {} } })
  const other = await stage.anotherClient('other')
  const id = stage.client.verdict.newId()
  const commits = stage.wire.hold('commit')
  const first = stage.client.transfer('alpha', 'beta', { id, budgetMs: 20_000 })
  const second = other.transfer('gamma', 'delta', { id, budgetMs: 20_000 })
  await stage.until(
    () =>
      commits.messages.some(({ from }) => from === 'client') && commits.messages.some(({ from }) => from === 'other'),
  )
  commits.release()
  await stage.until(() => first.done && second.done)
  expect([first.told, second.told]).toEqual(['committed', 'committed'])
  const replayed = [first, second].map(({ value }) => (value as { readonly replayed: boolean }).replayed)
  expect(new Set(replayed)).toEqual(new Set([false, true]))
  await stage.rest()
  const { alpha, beta, gamma, delta } = stage.balances()
  expect([
    [90, 110, 100, 100],
    [100, 100, 90, 110],
  ]).toContainEqual([alpha, beta, gamma, delta])
})

test('R10, R17: reads under a kept id are logged, so that a run of it after them is not executed', async () => {
  const stage = await Stage.set()
  const id = stage.client.verdict.newId()
  const read = () =>
    stage.client.begin((verdict) =>
      verdict.transaction((tx) => tx.on<ServiceContract>('alpha').topUp({ key: 'a', below: 50, amount: 5 }), { id }),
    )
  const first = read()
  await stage.until(() => first.done)
  expect(stage.group.record(id)).toMatchObject({ outcome: 'committed', branches: [{ vote: 'read-only' }] })
  const spend = stage.client.transfer('alpha', 'beta', { amount: 60 })
  await stage.until(() => spend.done)
  const again = read()
  await stage.until(() => again.done)
  expect(again.value).toMatchObject({ replayed: true })
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 40, beta: 160 })
})
