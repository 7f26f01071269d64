import { TransactionAborted } from '@verdict/client'
import { expect, test } from 'vitest'
import type { ServiceContract } from './service.ts'
import { gate, Stage } from './stage.ts'

const hourMs = 60 * 60_000

test('R2, R7: a prepared branch keeps its locks while there is no group, for longer than every budget, and is then ended', async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote')
  const run = stage.client.transfer('alpha', 'beta')
  await stage.until(() => votes.messages.length === 2)
  for (const replica of stage.group.replicas) replica.crash()
  votes.drop()
  await stage.until(() => run.done)
  expect(run.told).toBe('in doubt')
  await stage.pass(hourMs)
  expect(stage.alpha.database.prepared()).toHaveLength(1)
  expect(stage.alpha.database.locks().map(({ key }) => key)).toContain('data a')
  await stage.rest()
  expect(stage.told(run.id)).toBe('committed')
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('wall clocks that are hours apart, and jump, change nothing: only what is left of a budget travels', async () => {
  const stage = await Stage.set()
  const everybody = [...stage.simulation.processes.values()].filter(({ running }) => running)
  for (const [place, process] of everybody.entries()) process.setWallOffset((place % 2 === 0 ? 5 : -3) * hourMs)
  const votes = stage.wire.hold('vote')
  const runs = [stage.client.transfer('alpha', 'beta'), stage.client.submit('beta', 'alpha', { key: 'b' })]
  await stage.until(() => votes.messages.length >= 4)
  for (const [place, process] of everybody.entries()) process.setWallOffset((place % 2 === 0 ? -20 : 20) * hourMs)
  await stage.pass(1_000)
  votes.release()
  await stage.until(() => runs.every(({ done }) => done))
  expect(runs.map(({ told }) => told)).toEqual(['committed', 'committed'])
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R7: of two that wait for each other the younger one gives up, and is told whom it waited for', async () => {
  const stage = await Stage.set()
  const [held, met] = [gate(), gate()]
  const cross = (first: string, second: string, before: () => Promise<void>, after: () => Promise<void>) =>
    stage.client.begin((verdict) =>
      verdict.transaction(
        async (tx) => {
          await before()
          await tx.on<ServiceContract>(first).add({ key: 'a', amount: 1 })
          await after()
          await tx.on<ServiceContract>(second).add({ key: 'a', amount: 1 })
        },
        { budgetMs: 60_000 },
      ),
    )
  const older = cross(
    'alpha',
    'beta',
    async () => {},
    () => met.passed,
  )
  // As long as one may wait for a lock: from then on nobody waits longer.
  await stage.pass(3_000)
  const younger = cross(
    'beta',
    'alpha',
    () => held.passed,
    () => met.passed,
  )
  held.open()
  await stage.until(() => stage.beta.executed.length === 1)
  await stage.pass(100)
  met.open()
  await stage.until(() => older.done && younger.done)
  expect([older.told, younger.told]).toEqual(['committed', 'given up'])
  const { error } = younger
  if (!(error instanceof TransactionAborted)) throw error
  expect(error.reason).toMatchObject({ code: 'lock-timeout', participant: 'alpha' })
  expect(error.reason.heldBy).toEqual([{ what: 'data a', mode: 'exclusive', transaction: older.id }])
  await stage.rest()
})

test('R7: many that lock the same rows in all orders come through one after another, with a policy', async () => {
  const stage = await Stage.set({ services: { alpha: {}, beta: {}, gamma: {} } })
  const names = ['alpha', 'beta', 'gamma']
  const runs = Array.from({ length: 9 }, (_, number) =>
    stage.client.begin((verdict) =>
      verdict.transaction(
        async (tx) => {
          for (let turn = 0; turn < 3; turn += 1) {
            const name = names[(number + turn * (number % 2 === 0 ? 1 : 2)) % 3] ?? ''
            await tx.on<ServiceContract>(name).add({ key: 'a', amount: 1 })
          }
        },
        { retry: 'contention', budgetMs: 100_000 },
      ),
    ),
  )
  await stage.until(() => runs.every(({ done }) => done), 200_000)
  expect(runs.map(({ told }) => told)).toEqual(runs.map(() => 'committed'))
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 109, beta: 109, gamma: 109 })
})

test('R7: one-shots that lock the same rows never wait in a circle when they are ordered', async () => {
  const stage = await Stage.set({ services: { alpha: {}, beta: {}, gamma: {} } })
  const submit = (names: readonly string[]) =>
    stage.client.begin((verdict) =>
      verdict.submit(
        names.map((name) => verdict.call<ServiceContract>(name).add({ key: 'a', amount: 1 })),
        { ordered: true, budgetMs: 60_000 },
      ),
    )
  const runs = Array.from({ length: 12 }, (_, number) =>
    submit(number % 2 === 0 ? ['alpha', 'beta', 'gamma'] : ['gamma', 'alpha']),
  )
  await stage.until(() => runs.every(({ done }) => done))
  expect(runs.map(({ told }) => told)).toEqual(runs.map(() => 'committed'))
  await stage.rest()
})

test('R7: in a serializable one-shot a branch that only reads keeps its lock until the end', async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote from beta')
  const submit = (isolation?: 'serializable') =>
    stage.client.begin((verdict) =>
      verdict.submit(
        [
          verdict.call<ServiceContract>('alpha').read({ key: 'a' }),
          verdict.call<ServiceContract>('beta').add({ key: 'a', amount: 1 }),
        ],
        isolation && { isolation },
      ),
    )
  const lockedBy = async (run: ReturnType<typeof submit>) => {
    await stage.until(() => votes.messages.length > 0)
    await stage.pass(100)
    const locked = stage.alpha.database.locks().map(({ key, mode }) => `${key} ${mode}`)
    votes.release()
    await stage.until(() => run.done)
    expect(run.told).toBe('committed')
    return locked
  }
  expect(await lockedBy(submit('serializable'))).toContain('data a shared')
  const again = stage.wire.hold('vote from beta')
  const plain = submit()
  await stage.until(() => again.messages.length > 0)
  await stage.pass(100)
  expect(stage.alpha.database.locks()).toEqual([])
  again.release()
  await stage.until(() => plain.done)
  await stage.rest()
  expect(stage.beta.balance()).toBe(102)
})
