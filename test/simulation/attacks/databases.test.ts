import type { ParticipantName } from '@verdict/protocol'
import { expect, test } from 'vitest'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'

const beta = 'beta' as ParticipantName

test('R8: a failover that loses COMMIT PREPARED is told committed again, though it had acknowledged', async () => {
  const stage = await Stage.set()
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done)
  await stage.rest()
  expect(stage.group.record(transfer.id)?.settled).toBe(true)

  stage.beta.database.failover({ kind: 'from-last', record: 'commit-prepared' })
  expect(stage.balances()).toEqual({ alpha: 90, beta: 100 })
  expect(stage.beta.database.prepared()).toHaveLength(1)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R8, R16: a failover that loses the prepare is a hazard: told, recorded, never acknowledged, never settled', async () => {
  const stage = await Stage.set()
  const outcome = stage.wire.hold('outcome to beta')
  const transfer = stage.client.transfer('alpha', 'beta', { wait: 'applied' })
  await stage.until(() => outcome.messages.length > 0)
  stage.beta.database.failover({ kind: 'from-last', record: 'prepare' })
  outcome.release()
  await stage.until(() => transfer.done)

  expect(transfer.told).toBe('committed with hazards')
  await stage.newLeader(stage.group.crashLeader())
  await stage.pass(60_000)
  const hazards = [{ participant: 'beta', kind: 'effects-lost' }]
  expect(stage.group.record(transfer.id)).toMatchObject({ outcome: 'committed', settled: false, hazards })
  expect(stage.group.status()).toMatchObject({ unsettled: 1, hazardous: 1, inDoubt: [{ id: transfer.id, hazards }] })
  expect(stage.wire.has('ack from beta')).toBe(false)
  expect(stage.beta.database.rows()).toEqual([])
  const later = stage.client.transfer('alpha', 'beta')
  await stage.until(() => later.done)
  expect(later.told).toBe('committed')
})

test('R16: a branch that somebody rolled back by hand, though it is committed, is a hazard', async () => {
  const stage = await Stage.set()
  const outcome = stage.wire.hold('outcome to beta')
  const transfer = stage.client.transfer('alpha', 'beta', { wait: 'applied' })
  await stage.until(() => outcome.messages.length > 0)
  const id = stage.wire.idOf('commit from client')
  const byHand = stage.client.begin(() => stage.beta.database.endByHand(beta, id, 'rollback'))
  await stage.until(() => byHand.done)
  outcome.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed with hazards')
  expect(stage.group.record(id)).toMatchObject({ settled: false, hazards: [{ kind: 'effects-lost' }] })
})

test('R16: a branch that somebody committed by hand, though it is aborted, is a hazard', async () => {
  const stage = await Stage.set()
  stage.wire.lose('vote from alpha')
  stage.wire.lose('outcome')
  const transfer = stage.client.transfer('alpha', 'beta', { budgetMs: 3_000 })
  await stage.until(() => stage.beta.database.prepared().length === 1)
  const id = stage.wire.idOf('commit from client')
  const byHand = stage.client.begin(() => stage.beta.database.endByHand(beta, id, 'commit'))
  await stage.until(() => transfer.done)
  expect([byHand.done, transfer.told]).toEqual([true, 'aborted'])
  await stage.newLeader(stage.group.crashLeader())
  stage.wire.again(stage.wire.first('outcome to beta'))
  await stage.until(() => stage.group.status().hazardous === 1)
  expect(stage.group.record(id)).toMatchObject({ hazards: [{ participant: 'beta', kind: 'aborted-met-committed' }] })
})

/** alpha is prepared under a list that lost: its group has no outcome for it, only `discard`. */
test('R13: after a failover only an outcome ends a prepared branch, not the word that there is none', async () => {
  const stage = await Stage.set({ services: { alpha: {}, beta: {}, gamma: {}, delta: {} } })
  const other = await stage.anotherClient('other')
  const id = stage.client.verdict.newId()
  const votes = stage.wire.hold('vote from alpha')
  stage.client.transfer('alpha', 'beta', { id })
  await stage.until(() => votes.messages.length > 0)
  stage.client.process.crash()
  await stage.newLeader(stage.group.crashLeader())
  const second = other.transfer('gamma', 'delta', { id })
  await stage.until(() => second.done)
  expect(second.told).toBe('committed')
  votes.drop()

  stage.alpha.database.failover({ kind: 'newest', records: 0 })
  await stage.until(() => stage.beta.database.prepared().length === 0)
  await stage.until(() => stage.wire.all('inquiryAnswer to alpha').length >= 3)
  await stage.pass(1_000)
  expect(stage.alpha.database.prepared()).toHaveLength(1)
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100, gamma: 90, delta: 110 })
})

test('R14: outcomes do not wait for the room that branches take, when all of it is waiting for them', async () => {
  const stage = await Stage.set({ services: { alpha: { capacity: 1 }, beta: {} } })
  const outcome = stage.wire.hold('outcome to alpha')
  const first = stage.client.transfer('alpha', 'beta')
  await stage.until(() => outcome.messages.length > 0)
  stage.alpha.restart()
  await stage.until(() => stage.alpha.serving.size === 1)
  const second = stage.client.transfer('alpha', 'beta')
  await stage.until(() => stage.alpha.executed.length === 2)
  stage.client.transfer('alpha', 'beta', { key: 'b' })
  await stage.pass(100)
  expect(stage.alpha.executed).toHaveLength(2)

  outcome.drop()
  await stage.until(() => second.done, 2_000)
  expect([first.told, second.told]).toEqual(['committed', 'committed'])
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 80, beta: 120 })
})

test('R7: a deadlock across participants ends by lock time-outs, long before the budgets', async () => {
  const stage = await Stage.set()
  const runs = [
    stage.client.transfer('alpha', 'beta', { budgetMs: 60_000 }),
    stage.client.transfer('beta', 'alpha', { budgetMs: 60_000 }),
  ]
  await stage.until(() => stage.alpha.executed.length === 2 && stage.beta.executed.length === 2)
  await stage.until(() => runs.every(({ done }) => done), 5_000)
  expect(runs.map(({ reason }) => reason)).toContain('lock-timeout')
  await stage.until(() => stage.leftovers().length === 0, 5_000)
  await stage.rest()
})

test('R7: a deadlock between one-shots ends by lock time-outs too', async () => {
  const stage = await Stage.set()
  const prepares = stage.wire.hold('prepare')
  const runs = [
    stage.client.submit('alpha', 'beta', { budgetMs: 60_000 }),
    stage.client.submit('beta', 'alpha', { budgetMs: 60_000 }),
  ]
  await stage.until(() => prepares.messages.length === 4)
  const [oneAtAlpha, oneAtBeta, otherAtAlpha, otherAtBeta] = prepares.messages.toSorted((a, b) =>
    idOf(a) === idOf(b) ? a.subject.localeCompare(b.subject) : idOf(a) < idOf(b) ? -1 : 1,
  )
  if (!oneAtAlpha || !oneAtBeta || !otherAtAlpha || !otherAtBeta) throw new Error('expected four prepares')
  prepares.drop()
  for (const message of [oneAtAlpha, otherAtBeta]) stage.wire.again(message)
  await stage.pass(20)
  for (const message of [otherAtAlpha, oneAtBeta]) stage.wire.again(message)
  await stage.until(() => runs.every(({ done }) => done), 10_000)
  expect(runs.map(({ reason }) => reason)).toContain('lock-timeout')
  await stage.rest()
})

function idOf({ message }: ReturnType<Stage['wire']['first']>): string {
  return 'id' in message ? message.id : ''
}

test('R7: two participants on one database wait for each other only as long as a lock may take, and are told so', async () => {
  const stage = await Stage.set({ services: { alpha: {}, ledger: { shares: 'alpha' } } })
  for (const begin of ['transfer', 'submit'] as const) {
    const run = stage.client[begin]('alpha', 'ledger', { budgetMs: 30_000 })
    await stage.until(() => run.done, 10_000)
    expect(run.reason).toBe('lock-timeout')
    await stage.rest()
  }
  const elsewhere = stage.client.begin((verdict) =>
    verdict.submit([
      verdict.call<ServiceContract>('alpha').add({ key: 'a', amount: -10 }),
      verdict.call<ServiceContract>('ledger').add({ key: 'b', amount: 10 }),
    ]),
  )
  await stage.until(() => elsewhere.done)
  expect(elsewhere.told).toBe('committed')
})
