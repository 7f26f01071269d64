import { type Commit, type Message, parseId, reasonCodes, type TransactionId } from '@verdict/protocol'
import { expect, test } from 'vitest'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'
import { under } from './wire.ts'

/** The abort that the owner of a transaction may ask for once it has asked for the commit. */
function abortOf({ id, list, digest }: Commit): Message {
  const reason = { code: reasonCodes.clientAborted, message: 'The owner wants it no more.', retryable: false }
  return { type: 'abort', id, list, digest, reason }
}

function askedCommit(stage: Stage): Commit {
  const { message } = stage.wire.first('commit from client')
  if (message.type !== 'commit') throw new Error('expected a commit')
  return message
}

function ownersSubject(stage: Stage, id: TransactionId): string {
  return under.group(stage.group.id, parseId(id).owner)
}

test('R3: a look never decides: a transaction that it meets under way commits all the same', async () => {
  const stage = await Stage.set()
  const auditor = await stage.anotherClient('auditor', 'audit')
  const commit = stage.wire.hold('commit from client')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => commit.messages.length > 0)
  const id = stage.wire.idOf('call from client')
  const before = stage.group.status().lastIndex

  const looks = [1, 2, 3].map(() => auditor.begin((verdict) => verdict.look(id)))
  await stage.until(() => looks.every(({ done }) => done))

  expect(looks.map(({ value }) => value)).toEqual(looks.map(() => ({ kind: 'none', id })))
  expect(stage.group.status().lastIndex).toBe(before)
  commit.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R3: a client that gives up before it asked for the commit releases its branches, and nothing is logged', async () => {
  const stage = await Stage.set()
  const before = stage.group.status().lastIndex
  const run = stage.client.begin((verdict) =>
    verdict.transaction(async (tx) => {
      await tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -10 })
      throw new Error('changed its mind')
    }),
  )
  await stage.until(() => run.done)
  expect(run.told).toBe('given up')
  await stage.until(() => stage.alpha.database.locks().length === 0, 100)
  await stage.rest()
  expect(stage.group.status().lastIndex).toBe(before)
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R1: what a leader proposes is not told before it is committed: a deposed leader with all votes tells nothing, and loses', async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote from beta')
  stage.client.transfer('alpha', 'beta')
  await stage.until(() => votes.messages.length > 0)
  const commit = askedCommit(stage)
  stage.client.process.crash()
  const deposed = stage.group.isolateLeader()
  const { lastIndex } = stage.group.status(deposed)
  votes.release()
  await stage.until(() => stage.group.status(deposed).lastIndex > lastIndex)
  await stage.newLeader(deposed)

  const answers = stage.wire.ask('teller', ownersSubject(stage, commit.id), abortOf(commit))
  await stage.until(() => answers.length > 0)
  await stage.pass(1_000)
  expect(stage.wire.has(`decided from ${deposed.name}`)).toBe(false)
  expect(stage.wire.has(`outcome from ${deposed.name}`)).toBe(false)
  await stage.rest()

  expect(answers).toMatchObject([{ type: 'decided', answer: { kind: 'aborted' } }])
  expect(stage.group.record(commit.id)?.outcome).toBe('aborted')
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R1: two leaders drive one transaction at once: one of them decides it, and it takes effect once', async () => {
  const stage = await Stage.set()
  const commit = stage.wire.hold('commit from client')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => commit.messages.length > 0)
  const deposed = stage.group.isolateLeader()
  const leader = await stage.newLeader(deposed)
  commit.release()
  await stage.until(() => transfer.done)

  expect(transfer.told).toBe('committed')
  expect(stage.wire.has(`prepare from ${deposed.name}`)).toBe(true)
  expect(stage.wire.has(`prepare from ${leader.name}`)).toBe(true)
  expect(stage.wire.has(`decided from ${deposed.name}`)).toBe(false)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test.each(['the leader and a follower', 'both followers'])(
  'R1, R13: nothing is told while the flushes of %s hang: then no majority has the decision on disk',
  async (who) => {
    const stage = await Stage.set()
    const { leader, replicas } = stage.group
    const [one, other] = replicas.filter((replica) => replica !== leader)
    const transfer = stage.client.transfer('alpha', 'beta')
    await stage.until(() => stage.wire.has('commit from client'))
    for (const slow of who === 'both followers' ? [one, other] : [leader, one]) {
      Object.assign(slow?.disk.conditions ?? {}, { minFlushMs: 1_500, maxFlushMs: 1_500 })
    }
    await stage.pass(1_000)
    expect(stage.wire.all('vote').length).toBeGreaterThanOrEqual(2)
    expect([stage.wire.has('decided'), stage.wire.has('outcome')]).toEqual([false, false])
    await stage.until(() => transfer.done)
    expect(transfer.told).toBe('committed')
    await stage.rest()
    expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
  },
)

test('R2: a vote stays good over terms: those of term 1 decide in term 3', async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote')
  const transfer = stage.client.transfer('alpha', 'beta', { budgetMs: 20_000 })
  await stage.until(() => votes.messages.length === 2)
  const ofFirstTerm = [...votes.messages]
  const first = stage.group.crashLeader()
  await stage.newLeader(first)
  first.start()
  await stage.pass(1_000)
  const second = stage.group.crashLeader()
  await stage.newLeader(second)
  expect(stage.group.status().term).toBeGreaterThanOrEqual(3)
  votes.drop()
  stage.wire.lose('vote')
  await stage.until(() => stage.group.status().underway === 1)

  for (const vote of ofFirstTerm) stage.wire.again(vote)
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R1: an abort races the commit: both are told the same, and either may win', async () => {
  const outcomes = new Set<string>()
  for (let delayMs = 0; delayMs < 12; delayMs += 0.5) {
    const stage = await Stage.set({ seed: 1 + delayMs * 2 })
    const transfer = stage.client.transfer('alpha', 'beta')
    await stage.until(() => stage.wire.has('commit from client'))
    const commit = askedCommit(stage)
    await stage.pass(delayMs)
    const answers = stage.wire.ask('teller', ownersSubject(stage, commit.id), abortOf(commit))
    await stage.until(() => transfer.done && answers.length > 0)
    expect(answers).toMatchObject([{ type: 'decided', answer: { kind: transfer.told } }])
    outcomes.add(transfer.told)
    await stage.rest()
    const moved = transfer.told === 'committed' ? 10 : 0
    expect(stage.balances()).toEqual({ alpha: 100 - moved, beta: 100 + moved })
  }
  expect(outcomes).toEqual(new Set(['committed', 'aborted']))
})

test('R10: reads alone are told as such, and write nothing to the log', async () => {
  const stage = await Stage.set()
  const before = stage.group.status().lastIndex
  const run = stage.client.begin((verdict) =>
    verdict.transaction(async (tx) => {
      await tx.on<ServiceContract>('alpha').read({ key: 'a' })
      await tx.on<ServiceContract>('beta').read({ key: 'a' })
    }),
  )
  await stage.until(() => run.done)
  expect(run.value?.receipt.path).toBe('read-only')
  await stage.rest()
  expect(stage.group.status().lastIndex).toBe(before)
})
