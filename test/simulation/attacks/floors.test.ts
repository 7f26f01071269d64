import { parseId, type TransactionId } from '@verdict/protocol'
import { expect, test } from 'vitest'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'

/** Three seconds. */
const retention = { keptEpochs: 3, epochMs: 1_000 }
/** Longer than it takes until a floor has followed the horizon, and rows below it are gone. */
const longMs = 20_000

async function isBehind(stage: Stage, id: TransactionId): Promise<void> {
  await stage.until(() => stage.group.status().horizon >= parseId(id).epoch)
  await stage.pass(longMs)
}

const rowsOf = (stage: Stage, name: string, id: TransactionId): number =>
  stage
    .service(name)
    .database.rows()
    .filter((row) => row.id === id).length

/** What alpha answers to prepares from now on. */
function votesFrom(stage: Stage): () => string[] {
  const before = stage.wire.all('vote from alpha').length
  return () =>
    stage.wire
      .all('vote from alpha')
      .slice(before)
      .flatMap(({ message }) => (message.type === 'vote' ? [message.vote.kind] : []))
}

test('R12: a row of a commit that its group still needs stays below the floor: a copy runs into it, and a new leader is told', async () => {
  const stage = await Stage.set({ retention })
  stage.wire.lose('outcome to beta')
  const transfer = stage.client.submit('alpha', 'beta')
  await stage.until(() => transfer.done)
  const prepare = stage.wire.first('prepare to alpha')
  stage.beta.crash()
  await isBehind(stage, transfer.id)
  expect(stage.alpha.database.rows()).toMatchObject([{ id: transfer.id, state: 'committed' }])

  const votes = votesFrom(stage)
  stage.wire.again(prepare)
  await stage.pass(longMs)
  expect(votes()).not.toContain('prepared')
  expect(stage.balances()).toEqual({ alpha: 90, beta: 100 })
  await stage.newLeader(stage.group.crashLeader())
  await stage.pass(longMs)
  expect(stage.wire.has('hazard')).toBe(false)
  stage.beta.instance().start()
})

test('R12: an old copy of what was aborted, and has no tombstone any more, is not prepared again', async () => {
  const stage = await Stage.set({ retention })
  const run = stage.client.begin((verdict) =>
    verdict.submit([
      verdict.call<ServiceContract>('alpha').add({ key: 'a', amount: -10 }),
      verdict.call<ServiceContract>('beta').refuseAll({}),
    ]),
  )
  await stage.until(() => run.done)
  expect(run.told).toBe('aborted')
  const prepare = stage.wire.first('prepare to alpha')
  await stage.rest()
  await isBehind(stage, run.id)
  expect(rowsOf(stage, 'alpha', run.id)).toBe(0)

  const votes = votesFrom(stage)
  stage.wire.again(prepare)
  await stage.until(() => votes().length === 1)
  stage.alpha.restart()
  await stage.until(() => stage.alpha.serving.size === 1)
  stage.wire.again(prepare)
  await stage.until(() => votes().length === 2)
  expect(votes()).toEqual(['busy', 'refused']) // who remembers the outcome, and who knows the floor alone
  expect(stage.alpha.executed).toHaveLength(1)
})

test('R12: an instance that has not heard of the horizon is kept by the floor that another one has raised', async () => {
  const stage = await Stage.set({ retention, services: { alpha: { instances: 2 }, beta: {} } })
  const run = stage.client.begin((verdict) =>
    verdict.submit([
      verdict.call<ServiceContract>('alpha').add({ key: 'a', amount: -10 }),
      verdict.call<ServiceContract>('beta').refuseAll({}),
    ]),
  )
  await stage.until(() => run.done)
  const prepare = stage.wire.first('prepare to alpha')
  await stage.rest()
  // The other one than that which had it: it serves on, and hears of no horizon.
  const [executed] = stage.alpha.executed
  const [deaf, other] = executed === 'alpha-1 add' ? [2, 1] : [1, 2]
  const ways = [...stage.group.replicas.map(({ name }) => name), 'client']
  for (const way of ways) stage.simulation.network.cutOneWay(way, stage.alpha.instance(deaf).name)
  await isBehind(stage, run.id)
  expect(rowsOf(stage, 'alpha', run.id)).toBe(0)
  stage.simulation.network.heal()
  stage.alpha.crash(other)
  const votes = votesFrom(stage)
  stage.wire.again(prepare)
  await stage.until(() => votes().length > 0)
  expect(votes()).toEqual(['refused'])
  expect(stage.alpha.database.prepared()).toEqual([])
})

test('R9, R12, hole 3: a copy of a lone transaction whose row is gone does not take effect again, and is told as expired', async () => {
  const stage = await Stage.set({ retention, services: { alpha: { instances: 2 }, beta: {} } })
  const run = stage.client.addInOneShot('alpha', -10)
  await stage.until(() => run.done)
  expect(run.told).toBe('committed')
  const alone = stage.wire.first('alone from client')
  const [executed] = stage.alpha.executed
  const [deaf, other] = executed === 'alpha-1 add' ? [2, 1] : [1, 2]
  for (const { name } of stage.group.replicas) stage.simulation.network.cutOneWay(name, stage.alpha.instance(deaf).name)
  await isBehind(stage, run.id)
  expect(rowsOf(stage, 'alpha', run.id)).toBe(0)

  for (const gone of [other, deaf]) {
    stage.alpha.crash(gone)
    const before = stage.wire.all('loneDecided').length
    stage.wire.again(alone)
    await stage.until(() => stage.wire.all('loneDecided').length > before)
    expect(stage.wire.all('loneDecided').at(-1)?.message).toMatchObject({ answer: { kind: 'expired' } })
    stage.alpha.instance(gone).start()
    await stage.until(() => stage.alpha.serving.size === 2)
  }
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 100 })
})

test('R9, R12: a lone transaction that comes back for the first time when it is too old leaves nothing, and is told as expired', async () => {
  const stage = await Stage.set({ retention })
  const held = stage.wire.hold('alone from client')
  const run = stage.client.addInOneShot('alpha', -10, { budgetMs: 900 })
  await stage.until(() => run.done)
  const [first] = held.messages
  held.drop()
  if (first === undefined) throw new Error('nothing was held')
  await stage.pass(longMs)
  stage.wire.again(first)
  await stage.until(() => stage.wire.has('loneDecided'))
  expect(stage.wire.first('loneDecided').message).toMatchObject({ answer: { kind: 'expired' } })
  expect(stage.alpha.database.rows()).toEqual([])
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R12: rows stay bounded by what is decided within the retention, however long it goes on', async () => {
  const stage = await Stage.set({ retention })
  const everyMs = 200
  let most = 0
  stage.simulation.afterEachStep(() => {
    for (const { database } of [stage.alpha, stage.beta]) most = Math.max(most, database.rows().length)
  })
  for (let round = 0; round < 400; round += 1) {
    const amount = round % 2 === 0 ? 1 : -1
    if (round % 4 < 2) stage.client.submit('alpha', 'beta', { amount })
    else stage.client.addInOneShot('alpha', amount)
    await stage.pass(everyMs)
  }
  await stage.rest()
  // The retention, the spread before a floor is raised, and a second's work.
  expect(most).toBeLessThan((3_000 + 1_000 + 2_000 + 1_000) / everyMs)
  await stage.until(() => [stage.alpha, stage.beta].every(({ database }) => database.rows().length === 0))
})
