import { type Message, type ParticipantName, parseId, type TransactionId } from '@verdict/protocol'
import { expect, test } from 'vitest'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'
import { under } from './wire.ts'

const beta = 'beta' as ParticipantName
/** Three seconds. */
const retention = { keptEpochs: 3, epochMs: 1_000 }
/** Longer than anything is kept that nobody needs. */
const longMs = 20_000

function short(services: Parameters<typeof Stage.set>[0] = {}): Promise<Stage> {
  return Stage.set({ retention, ...services })
}

async function isBehind(stage: Stage, id: TransactionId): Promise<void> {
  await stage.until(() => stage.group.status().horizon >= parseId(id).epoch)
}

/** The group has forgotten it, and so have the services. */
async function forgotten(stage: Stage, id: TransactionId, ...services: readonly ('alpha' | 'beta')[]): Promise<void> {
  await isBehind(stage, id)
  await stage.until(() => stage.group.record(id) === undefined)
  for (const name of services) await stage.until(() => stage[name].database.rows().every((row) => row.id !== id))
}

test('R11: a commit that a participant has not applied outlives the horizon, and is applied when it comes back', async () => {
  const stage = await short({ services: { alpha: {}, beta: {}, gamma: {} } })
  const outcome = stage.wire.hold('outcome to beta')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done && outcome.messages.length > 0)
  stage.beta.crash()
  outcome.drop()
  const others: TransactionId[] = []
  for (let round = 0; round < 5; round += 1) {
    const other = stage.client.transfer('alpha', 'gamma', { amount: 1 })
    await stage.until(() => other.done)
    others.push(other.id)
    await stage.pass(longMs)
  }
  // It is in the way of nobody else's being forgotten.
  expect(others.map((id) => stage.group.record(id))).toEqual(others.map(() => undefined))
  expect(stage.group.record(transfer.id)).toMatchObject({ outcome: 'committed', settled: false })
  expect(stage.group.status()).toMatchObject({ unsettled: 1 })

  await stage.newLeader(stage.group.crashLeader())
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 85, beta: 110, gamma: 105 })
  await forgotten(stage, transfer.id, 'alpha', 'beta')
})

test('R11: a hazard is never forgotten, be it of a commit', async () => {
  const stage = await short()
  const outcome = stage.wire.hold('outcome to beta')
  const transfer = stage.client.transfer('alpha', 'beta', { wait: 'applied' })
  await stage.until(() => outcome.messages.length > 0)
  stage.beta.database.failover({ kind: 'from-last', record: 'prepare' })
  outcome.release()
  await stage.until(() => transfer.done)
  await staysHazardous(stage, transfer.id, { outcome: 'committed', hazards: [{ kind: 'effects-lost' }] })
})

test('R11: or be it of an abort', async () => {
  const stage = await short()
  stage.wire.lose('vote from alpha')
  const outcome = stage.wire.hold('outcome')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => stage.beta.database.prepared().length === 1)
  const id = stage.wire.idOf('commit from client')
  const byHand = stage.client.begin(() => stage.beta.database.endByHand(beta, id, 'commit'))
  await stage.until(() => transfer.done && byHand.done)
  outcome.release()
  await stage.until(() => stage.group.status().hazardous === 1)
  await staysHazardous(stage, id, { outcome: 'aborted', hazards: [{ kind: 'aborted-met-committed' }] })
})

async function staysHazardous(stage: Stage, id: TransactionId, record: object): Promise<void> {
  await stage.pass(longMs)
  await stage.newLeader(stage.group.crashLeader())
  await stage.pass(longMs)
  expect(stage.group.status().horizon).toBeGreaterThan(parseId(id).epoch)
  expect(stage.group.record(id)).toMatchObject(record)
}

test('R11, R12: a participant that comes back after an abort was forgotten is told that it expired, and rolls back', async () => {
  const stage = await short()
  stage.wire.lose('outcome to alpha')
  const inquiries = stage.wire.hold('inquiry from alpha')
  const run = stage.client.begin((verdict) =>
    verdict.submit([
      verdict.call<ServiceContract>('alpha').add({ key: 'a', amount: -10 }),
      verdict.call<ServiceContract>('beta').refuseAll({}),
    ]),
  )
  await stage.until(() => run.done && stage.alpha.database.prepared().length === 1)
  stage.alpha.crash()
  inquiries.drop()
  await stage.pass(longMs)
  expect(stage.group.record(run.id)).toBeUndefined()

  stage.alpha.instance().start()
  await stage.until(() => stage.alpha.database.prepared().length === 0)
  expect(told(stage, 'inquiryAnswer to alpha')).toContain('expired')
  expect(stage.wire.has('hazard')).toBe(false)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R1, R11: whatever was said of a forgotten transaction changes nothing when it is heard again', async () => {
  for (const begin of ['transfer', 'submit'] as const) {
    const stage = await short()
    const run = stage.client[begin]('alpha', 'beta')
    await stage.until(() => run.done)
    await forgotten(stage, run.id, 'alpha', 'beta')
    const said = stage.wire.sent.filter(({ message }) => message.type !== 'hello' && message.type !== 'welcome')
    const decided = stage.wire.all('decided').length
    for (let times = 0; times < 3; times += 1) {
      for (const message of times === 1 ? said.toReversed() : said) {
        stage.wire.again(message)
        await stage.pass(1)
      }
    }
    await stage.pass(longMs)
    const again = stage.wire.all('decided').slice(decided)
    expect(again.length).toBeGreaterThan(0)
    for (const { message } of again) expect(message).toMatchObject({ answer: { kind: 'expired' } })
    expect(stage.group.record(run.id)).toBeUndefined()
    await stage.rest()
    expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
  }
})

test('R1, R11: a leader that still collects votes when the horizon passes decides nothing any more', async () => {
  const settings = { inquireAfterMs: 200, sweepMs: 100 }
  const stage = await short({ services: { alpha: { settings }, beta: { settings } } })
  const votes = stage.wire.hold('vote')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => votes.messages.length >= 2)
  const id = stage.wire.idOf('commit from client')
  stage.client.process.crash()
  // Nobody is left who knows the list: the next leader waits for it, for longer than the horizon takes.
  for (const service of [stage.alpha, stage.beta]) service.restart()
  await stage.newLeader(stage.group.crashLeader())
  await stage.until(() => stage.group.status().underway === 1)
  votes.drop()
  await isBehind(stage, id)
  await stage.rest()
  expect(stage.group.record(id)).toBeUndefined()
  expect(stage.told(id)).toBeUndefined()
  expect(transfer.done).toBe(false)
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R11: a leader whose clock races makes ids expire early, and nothing run or be told twice; then all goes on', async () => {
  const stage = await short()
  const next = async () => {
    const run = stage.client.transfer('alpha', 'beta', { amount: 1 })
    await stage.until(() => run.done)
    return run
  }
  const racing = stage.group.leader
  racing.setClockRate(50)
  await stage.pass(300)
  const runs = [await next(), await next(), await next(), await next(), await next()]
  racing.setClockRate(1)
  const { horizon } = stage.group.status()
  await stage.newLeader(stage.group.crashLeader())
  // The first one may still have an epoch that was old too early: it is told so, and the next one has another.
  runs.push(await next(), await next())
  expect(runs.map(({ told }) => told)).toContain('given up')
  expect(runs.at(-1)?.told).toBe('committed')
  // Nothing is lost by it for ever: the horizon goes on from where it is, and no faster than before.
  await stage.pass(longMs)
  expect(stage.group.status().horizon).toBeLessThan(horizon + (2 * longMs) / retention.epochMs)
  await stage.rest()
  const committed = runs.filter(({ told }) => told === 'committed').length
  expect(stage.balances()).toEqual({ alpha: 100 - committed, beta: 100 + committed })
})

test('R11: a client whose clock stands still uses an old epoch once, is told so, and goes on with the new one', async () => {
  const stage = await short()
  stage.client.process.setClockRate(0.001)
  await stage.anotherClient('other')
  await stage.until(() => stage.group.status().horizon > 5)
  const first = stage.client.submit('alpha', 'beta')
  await stage.until(() => first.done)
  expect(first).toMatchObject({ told: 'in doubt', error: { expired: true, retryable: false } })
  const second = stage.client.submit('alpha', 'beta')
  await stage.until(() => second.done)
  expect(second.told).toBe('committed')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R11, R17: an id that was kept for too long is in doubt for good, whether it had been committed or never run', async () => {
  const stage = await short()
  const [unused, paid] = [stage.client.verdict.newId(), stage.client.verdict.newId()]
  const first = stage.client.transfer('alpha', 'beta', { id: paid })
  await stage.until(() => first.done)
  await forgotten(stage, paid, 'alpha', 'beta')
  for (const id of [paid, unused]) {
    const again = stage.client.transfer('alpha', 'beta', { id })
    await stage.until(() => again.done)
    expect(again).toMatchObject({ told: 'in doubt', error: { expired: true, retryable: false } })
  }
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R12: a sweep is an acknowledgement: what all others were lost of settles, and is forgotten', async () => {
  const stage = await short()
  stage.wire.lose('ack from beta')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done)
  await forgotten(stage, transfer.id, 'alpha', 'beta')
  expect(stage.wire.has('sweep from beta')).toBe(true)
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R12: a deposed leader tells nobody that a row may go', async () => {
  const stage = await short()
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done)
  await stage.rest()
  const record = stage.group.record(transfer.id)
  const token = record?.branches.find(({ participant }) => participant === beta)?.token
  if (record === undefined || token === undefined) throw new Error('expected its record')
  await forgotten(stage, transfer.id, 'alpha')
  const deposed = stage.group.isolateLeader()
  await stage.newLeader(deposed)
  const before = stage.wire.all(`sweepAnswer from ${deposed.name}`).length
  const { id, digest } = record
  const sweep: Message = { type: 'sweep', instance: stage.beta.instanceId(), rows: [{ id, digest, token }] }
  stage.wire.say(under.vote(stage.group.id, beta), sweep)
  await stage.until(() => told(stage, 'sweepAnswer to beta').includes('forgotten'))
  await stage.pass(1_000)
  expect(stage.wire.all(`sweepAnswer from ${deposed.name}`)).toHaveLength(before)
})

test('R12: many rows are swept in few messages, and sweeping writes nothing to the log', async () => {
  const stage = await short()
  const many = 60
  const runs = Array.from({ length: many }, (_, number) =>
    stage.client.begin((verdict) =>
      verdict.submit([
        verdict.call<ServiceContract>('alpha').add({ key: `k${number}`, amount: 1 }),
        verdict.call<ServiceContract>('beta').add({ key: `k${number}`, amount: 1 }),
      ]),
    ),
  )
  await stage.until(() => runs.every(({ done }) => done))
  await stage.rest()
  const [from, epoch] = [stage.group.status().lastIndex, stage.group.status().epoch]
  await stage.until(() => stage.alpha.database.rows().length + stage.beta.database.rows().length === 0)
  const status = stage.group.status()
  expect(stage.wire.all('sweep').length).toBeLessThanOrEqual(4 * 2)
  // One entry for each epoch that passed, and one that begins a leader's term.
  expect(status.lastIndex - from).toBeLessThanOrEqual(status.epoch - epoch + 1)
})

test('R11: a group that nobody uses any more forgets all, and then rests', async () => {
  const stage = await short()
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done)
  stage.client.process.crash()
  await forgotten(stage, transfer.id, 'alpha', 'beta')
  await stage.pass(longMs)
  const { lastIndex, epoch } = stage.group.status()
  await stage.pass(10 * longMs)
  expect(stage.group.status()).toMatchObject({ lastIndex, epoch })
})

/** What was answered so far. */
function told(stage: Stage, phrase: 'inquiryAnswer to alpha' | 'sweepAnswer to beta'): string[] {
  return stage.wire
    .all(phrase)
    .flatMap(({ message }) => ('answers' in message ? message.answers.map(({ answer }) => answer) : []))
}
