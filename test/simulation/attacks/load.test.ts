import { expect, test } from 'vitest'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'

const many = 40

/** Begins many transactions at once that are not in each other's way. */
function beginMany(stage: Stage) {
  return Array.from({ length: many }, (_, number) =>
    stage.client.begin((verdict) =>
      verdict.submit([
        verdict.call<ServiceContract>('alpha').add({ key: `k${number}`, amount: 1 }),
        verdict.call<ServiceContract>('beta').add({ key: `k${number}`, amount: 1 }),
      ]),
    ),
  )
}

test('R10: many transactions are settled by few entries, and a look at them writes none', async () => {
  const stage = await Stage.set()
  const before = stage.group.status().lastIndex
  const runs = beginMany(stage)
  await stage.until(() => runs.every(({ done }) => done))
  await stage.rest()
  const { lastIndex } = stage.group.status()
  expect(runs.every(({ told }) => told === 'committed')).toBe(true)
  expect(lastIndex - before).toBeLessThanOrEqual(many + 3)

  const looks = runs.map(({ id }) => stage.client.begin((verdict) => verdict.look(id)))
  await stage.until(() => looks.every(({ done }) => done))
  expect(looks.map(({ value }) => value)).toMatchObject(runs.map(() => ({ kind: 'recorded', settled: true })))
  expect(stage.group.status().lastIndex).toBe(lastIndex)
})

test('R6: participants ask a new leader about many branches in few messages', async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote')
  beginMany(stage)
  await stage.until(() => votes.messages.length === 2 * many)
  stage.client.process.crash()
  for (const replica of stage.group.replicas) replica.crash()
  votes.drop()
  await stage.pass(20_000)
  const asked = () => stage.wire.all('inquiry').length
  const before = asked()
  for (const replica of stage.group.replicas) replica.start()
  await stage.rest()
  expect(asked() - before).toBeLessThanOrEqual(6)
  expect(stage.beta.balance('k0')).toBe(1)
})

test('R10, R11: a transaction that cannot be settled is in the way of nobody else', async () => {
  const stage = await Stage.set({ services: { alpha: {}, beta: {}, gamma: {} } })
  const outcome = stage.wire.hold('outcome to beta')
  const stuck = stage.client.transfer('alpha', 'beta')
  await stage.until(() => stuck.done && outcome.messages.length > 0)
  stage.beta.crash()
  const before = Array.from({ length: 5 }, () => stage.client.transfer('alpha', 'gamma', { amount: 1 }))
  await stage.until(() => before.every(({ done }) => done))
  await stage.newLeader(stage.group.crashLeader())
  const after = Array.from({ length: 5 }, () => stage.client.transfer('alpha', 'gamma', { amount: 1 }))
  await stage.until(() => after.every(({ done }) => done))
  await stage.pass(1_000)

  const others = [...before, ...after]
  expect(others.map(({ told }) => told)).toEqual(others.map(() => 'committed'))
  expect(others.map(({ id }) => stage.group.record(id)?.settled)).toEqual(others.map(() => true))
  expect(stage.group.status()).toMatchObject({
    unsettled: 1,
    inDoubt: [{ id: stuck.id, waitingFor: ['alpha', 'beta'] }],
  })
  outcome.drop()
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 80, beta: 110, gamma: 110 })
})
