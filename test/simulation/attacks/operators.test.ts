import type { Answer, Order, ParticipantName, TransactionId } from '@verdict/protocol'
import { expect, test } from 'vitest'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'
import { under } from './wire.ts'

const beta = 'beta' as ParticipantName
const abort: Order = { kind: 'abort', by: 'alice', because: 'beta is down for good' }
const resolveAt = (participant: ParticipantName): Order => ({
  kind: 'resolve',
  participant,
  by: 'alice',
  because: 'written again by hand',
})

/** An operator orders something, and goes on asking until it is answered, as the tool does. */
function order(stage: Stage, id: TransactionId, what: Order): Answer[] {
  return stage.wire.ask('ops', under.operate(stage.group.id, 'ops' as never), { type: 'operate', id, order: what })
}

async function answered(stage: Stage, id: TransactionId, what: Order): Promise<Answer> {
  const answers = order(stage, id, what)
  await stage.until(() => answers.length > 0)
  const [answer] = answers
  if (answer === undefined) throw new Error('expected an answer')
  return answer
}

test('R16: an operator aborts what waits for a participant that is silent, and its owner is told who did and why', async () => {
  const stage = await Stage.set()
  stage.wire.lose('vote from beta')
  const transfer = stage.client.transfer('alpha', 'beta', { budgetMs: 600_000 })
  await stage.until(() => stage.alpha.database.prepared().length === 1)
  await stage.pass(60_000)
  const id = stage.wire.idOf('commit from client')
  const answer = await answered(stage, id, abort)
  await stage.until(() => transfer.done)
  expect([transfer.told, transfer.reason]).toEqual(['aborted', 'operator-aborted'])
  const actor = { kind: 'operator', by: 'alice', as: 'ops' }
  expect(answer).toMatchObject({ done: 'recorded', found: { outcome: 'aborted', actor } })
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
  expect(stage.group.record(id)).toMatchObject({ outcome: 'aborted', actor })
})

test("R1, R16: an operator's abort races the commit: both are told the same, and either may win", async () => {
  const outcomes = new Set<string>()
  for (let delayMs = 0; delayMs < 12; delayMs += 0.5) {
    const stage = await Stage.set({ seed: 1 + delayMs * 2 })
    const transfer = stage.client.transfer('alpha', 'beta')
    await stage.until(() => stage.wire.has('commit from client'))
    const id = stage.wire.idOf('commit from client')
    await stage.pass(delayMs)
    const answers = order(stage, id, abort)
    await stage.until(() => transfer.done && answers.length > 0)
    const [answer] = answers
    if (answer?.type === 'operated' && answer.done === 'recorded') {
      expect(answer).toMatchObject({ found: { outcome: transfer.told } })
    }
    outcomes.add(transfer.told)
    await stage.rest()
    const moved = transfer.told === 'committed' ? 10 : 0
    expect(stage.balances()).toEqual({ alpha: 100 - moved, beta: 100 + moved })
  }
  expect(outcomes).toEqual(new Set(['committed', 'aborted']))
})

test('R1, R16: an operator who aborts what is decided changes nothing, and is told what stands', async () => {
  const stage = await Stage.set()
  const outcome = stage.wire.hold('outcome')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done)
  expect(await answered(stage, transfer.id, abort)).toMatchObject({ done: 'recorded', found: { outcome: 'committed' } })
  await stage.newLeader(stage.group.crashLeader())
  expect(await answered(stage, transfer.id, abort)).toMatchObject({ found: { outcome: 'committed' } })
  outcome.release()
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test("R1, R16: a deposed leader tells nobody of an operator's abort: its successor commits", async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote from beta')
  const transfer = stage.client.transfer('alpha', 'beta', { budgetMs: 60_000 })
  await stage.until(() => votes.messages.length > 0)
  const id = stage.wire.idOf('commit from client')
  const deposed = stage.group.isolateLeader()
  const answers = order(stage, id, abort)
  await stage.newLeader(deposed)
  votes.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  await stage.rest()
  expect(answers).toEqual([])
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R16: an operator who aborts a kept id beforehand keeps it from taking effect, whoever runs it, and whoever holds it', async () => {
  const stage = await Stage.set()
  const id = stage.client.verdict.newId() as TransactionId
  const commit = stage.wire.hold('commit from client')
  const transfer = stage.client.transfer('alpha', 'beta', { id })
  await stage.until(() => commit.messages.length > 0)
  expect(await answered(stage, id, abort)).toMatchObject({
    done: 'recorded',
    found: { outcome: 'aborted', settled: true },
  })
  commit.release()
  await stage.until(() => transfer.done)
  expect([transfer.told, transfer.reason]).toEqual(['aborted', 'operator-aborted'])
  const again = stage.client.transfer('alpha', 'beta', { id })
  await stage.until(() => again.done)
  expect(again.told).toBe('aborted')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R16: and ends what a dead leader had prepared under it, in another history too', async () => {
  const stage = await Stage.set()
  const id = stage.client.verdict.newId() as TransactionId
  stage.wire.lose('vote')
  const inquiries = stage.wire.hold('inquiry')
  stage.client.transfer('alpha', 'beta', { id })
  await stage.until(() => stage.beta.database.prepared().length === 1 && stage.alpha.database.prepared().length === 1)
  stage.client.process.crash()
  await stage.newLeader(stage.group.crashLeader())
  expect(await answered(stage, id, abort)).toMatchObject({ done: 'recorded', found: { outcome: 'aborted' } })
  stage.beta.database.failover({ kind: 'newest', records: 0 })
  inquiries.release()
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R3, R16: of any other id that nobody has asked to commit nothing is recorded, and it commits all the same', async () => {
  const stage = await Stage.set()
  const commit = stage.wire.hold('commit from client')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => commit.messages.length > 0)
  const id = stage.wire.idOf('call from client')
  const before = stage.group.status().lastIndex
  expect(await answered(stage, id, abort)).toMatchObject({ done: 'nothing', found: { kind: 'none' } })
  expect(stage.group.status().lastIndex).toBe(before)
  commit.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  await stage.rest()
})

test('R8, R16: a lost prepare that an operator has dealt with alarms no more, and settles; the outcome stays, and is shown with it', async () => {
  const stage = await Stage.set()
  const id = stage.client.verdict.newId() as TransactionId
  const outcome = stage.wire.hold('outcome to beta')
  const transfer = stage.client.transfer('alpha', 'beta', { wait: 'applied', id })
  await stage.until(() => outcome.messages.length > 0)
  stage.beta.database.failover({ kind: 'from-last', record: 'prepare' })
  outcome.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed with hazards')
  const before = stage.client.transfer('alpha', 'beta', { id })
  await stage.until(() => before.done)
  expect(before.told).toBe('committed with hazards')

  await stage.newLeader(stage.group.crashLeader())
  await answered(stage, id, resolveAt(beta))
  await stage.until(() => stage.group.status().unsettled === 0)
  const resolved = { by: 'alice', as: 'ops', because: 'written again by hand' }
  const hazards = [{ participant: 'beta', kind: 'effects-lost', resolved }]
  expect(stage.group.record(id)).toMatchObject({ outcome: 'committed', settled: true, hazards })
  expect(stage.group.status()).toMatchObject({ hazardous: 0, withHazards: [] })
  const after = stage.client.transfer('alpha', 'beta', { id })
  await stage.until(() => after.done)
  expect(after.told).toBe('committed')
  expect(after.value).toMatchObject({ replayed: true, receipt: { hazards } })
  expect(stage.wire.has('ack from beta')).toBe(false)
})

test('R8, R16: a resolution races the outcome and its acknowledgement: whatever comes first, all is applied once and settled', async () => {
  const recorded = new Set<string>()
  for (let delayMs = 0; delayMs < 12; delayMs += 0.5) {
    const stage = await Stage.set({ seed: 1 + delayMs * 2 })
    const transfer = stage.client.transfer('alpha', 'beta')
    await stage.until(() => stage.wire.has('commit from client'))
    const id = stage.wire.idOf('commit from client')
    await stage.pass(delayMs)
    const answers = order(stage, id, resolveAt(beta))
    await stage.until(() => transfer.done && answers.length > 0)
    expect(transfer.told).toBe('committed')
    await stage.rest()
    recorded.add(JSON.stringify(stage.group.record(id)?.hazards.map(({ kind }) => kind)))
    expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
  }
  expect(recorded).toEqual(new Set(['[]', '["never-acknowledged"]']))
})

test('R16: a participant that is gone for good is waited for no longer, and applies the outcome should it come back', async () => {
  const stage = await Stage.set()
  const outcome = stage.wire.hold('outcome to beta')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done && outcome.messages.length > 0)
  stage.beta.crash()
  outcome.drop()
  await stage.pass(120_000)
  expect(stage.group.status()).toMatchObject({ unsettled: 1, inDoubt: [{ waitingFor: ['alpha', 'beta'] }] })
  await answered(stage, transfer.id, resolveAt(beta))
  await stage.until(() => stage.group.status().unsettled === 0)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

/** alpha is prepared under a list that lost: its group has no outcome for it, only `discard`. */
test('R13, R16: a quarantined branch is shown by status, and rolled back once an operator says so', async () => {
  const stage = await Stage.set({ services: { alpha: {}, beta: {}, gamma: {}, delta: {} } })
  const other = await stage.anotherClient('other')
  const id = stage.client.verdict.newId() as TransactionId
  const alpha = 'alpha' as ParticipantName
  const votes = stage.wire.hold('vote from alpha')
  stage.client.transfer('alpha', 'beta', { id })
  await stage.until(() => votes.messages.length > 0)
  stage.client.process.crash()
  await stage.newLeader(stage.group.crashLeader())
  const second = other.transfer('gamma', 'delta', { id })
  await stage.until(() => second.done)
  votes.drop()
  stage.alpha.database.failover({ kind: 'newest', records: 0 })
  await stage.until(() => stage.group.status().troubles.length > 0)
  expect(stage.group.status().troubles).toMatchObject([{ id, participant: alpha, kind: 'quarantined' }])
  expect(stage.alpha.database.prepared()).toHaveLength(1)

  expect(await answered(stage, id, resolveAt(alpha))).toMatchObject({
    done: 'released',
    found: { outcome: 'committed' },
  })
  await stage.rest()
  expect(stage.alpha.database.prepared()).toEqual([])
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100, gamma: 90, delta: 110 })
  await stage.pass(90_000)
  expect(stage.group.status().troubles).toEqual([])
})

test('R15: nobody orders in the name of an operator on the subjects that clients may use', async () => {
  const stage = await Stage.set()
  stage.wire.lose('vote from beta')
  stage.client.transfer('alpha', 'beta', { budgetMs: 60_000 })
  await stage.until(() => stage.alpha.database.prepared().length === 1)
  const id = stage.wire.idOf('commit from client')
  for (const subject of [
    under.group(stage.group.id, 'teller' as never),
    under.look(stage.group.id, 'teller' as never),
  ]) {
    const answers = stage.wire.ask('teller', subject, { type: 'operate', id, order: abort })
    await stage.until(() => answers.length > 0)
    expect(answers).toMatchObject([{ type: 'failure' }])
  }
  expect(stage.group.record(id)).toBeUndefined()
})

test('R16: a transaction that its participant can never end is shown, and keeps no other waiting', async () => {
  const stage = await Stage.set()
  const outcome = stage.wire.hold('outcome to beta')
  const stuck = stage.client.transfer('alpha', 'beta')
  await stage.until(() => outcome.messages.length > 0)
  stage.beta.refuseToEnd(stage.wire.idOf('commit from client'))
  outcome.release()
  await stage.until(() => stage.group.status().troubles.length > 0)
  expect(stage.group.status().troubles).toMatchObject([{ participant: 'beta', kind: 'failing' }])
  const other = stage.client.begin((verdict) =>
    verdict.transaction(async (tx) => {
      await tx.on<ServiceContract>('alpha').add({ key: 'b', amount: -10 })
      await tx.on<ServiceContract>('beta').add({ key: 'b', amount: 10 })
    }),
  )
  await stage.until(() => other.done, 1_000)
  expect([stuck.told, other.told]).toEqual(['committed', 'committed'])
  const byHand = stage.client.begin(() => stage.beta.database.endByHand(beta, stuck.id, 'commit'))
  await stage.until(() => byHand.done)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})
