import type { Commit, ParticipantName, Token } from '@verdict/protocol'
import { expect, test } from 'vitest'
import { Group } from './group.ts'
import { Stage } from './stage.ts'
import { under } from './wire.ts'

const beta = 'beta' as ParticipantName

/** Both branches are prepared, no vote has arrived, and the leader is dead. */
async function leaderDiesBeforeTheVotes(budgetMs: number) {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote')
  const transfer = stage.client.transfer('alpha', 'beta', { budgetMs })
  await stage.until(() => votes.messages.length === 2)
  const { message } = stage.wire.first('commit from client')
  const old = stage.group.crashLeader()
  votes.drop()
  return { stage, transfer, old, commit: message as Commit }
}

test('R6: a new leader takes up what prepared participants ask about, and commits it though the client is dead', async () => {
  const { stage, old, commit } = await leaderDiesBeforeTheVotes(10_000)
  stage.client.process.crash()
  await stage.newLeader(old)
  await stage.until(() => stage.group.record(commit.id) !== undefined)
  expect(stage.group.record(commit.id)).toMatchObject({ outcome: 'committed', actor: { kind: 'holder' } })
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R6: a new leader that is asked without a list waits for the owner, and does not abort', async () => {
  const { stage, old, transfer, commit } = await leaderDiesBeforeTheVotes(20_000)
  const retries = stage.wire.hold('commit from client')
  stage.alpha.restart()
  stage.beta.restart()
  await stage.newLeader(old)
  await stage.until(() => stage.wire.has('inquiry from alpha') && stage.wire.has('inquiry from beta'))
  await stage.pass(2_000)
  expect(stage.group.record(commit.id)).toBeUndefined()

  retries.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R6: what nobody knows the list of is aborted in the end, so that nothing stays locked', async () => {
  const { stage, old, commit } = await leaderDiesBeforeTheVotes(10_000)
  stage.client.process.crash()
  stage.alpha.restart()
  stage.beta.restart()
  await stage.newLeader(old)
  await stage.rest()
  expect(stage.group.record(commit.id)).toMatchObject({ outcome: 'aborted', reason: { code: 'list-lost' } })
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R6: a new leader brings the outcomes that the one before it left behind, before anybody asks', async () => {
  const stage = await Stage.set()
  stage.wire.lose(`outcome from ${stage.group.leader.name}`)
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done)
  await stage.newLeader(stage.group.crashLeader())
  await stage.until(() => stage.balances()['alpha'] === 90 && stage.balances()['beta'] === 110, 1_000)
  expect(stage.wire.has('inquiry')).toBe(false)
  await stage.rest()
})

test('R6: no transaction is aborted because leaders change', async () => {
  const stage = await Stage.set()
  for (let change = 0; change < 6; change += 1) {
    const runs = [
      ...['a', 'b'].map((key) => stage.client.transfer('alpha', 'beta', { key })),
      ...['c', 'd'].map((key) => stage.client.submit('alpha', 'beta', { key })),
    ]
    await stage.pass(change * 3)
    await stage.newLeader(stage.group.crashLeader())
    await stage.until(() => runs.every(({ done }) => done))
    expect(runs.map(({ told }) => told)).toEqual(runs.map(() => 'committed'))
    await stage.rest()
  }
})

test('R14: an instance that was restarted after it prepared votes by the name of the prepared transaction', async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote from beta')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => votes.messages.length > 0)
  stage.beta.restart()
  votes.drop()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R14: a PREPARE whose answer is lost is neither refused nor rolled back: it may happen later', async () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= 6; seed += 1) {
    const stage = await Stage.set({ seed })
    const commit = stage.wire.hold('commit from client')
    const transfer = stage.client.transfer('alpha', 'beta')
    await stage.until(() => commit.messages.length > 0)
    stage.beta.database.setFaults({ uncertainPrepare: 1, noticeMs: [2_000, 2_000] })
    commit.release()
    await stage.until(() => stage.wire.has('vote from beta'))
    seen.add(stage.beta.database.prepared().length === 0 ? 'later' : 'at once')

    await stage.until(() => transfer.done)
    expect(transfer.told).toBe('committed')
    await stage.rest()
    expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
  }
  expect(seen).toEqual(new Set(['later', 'at once']))
})

test('R15: a group that was set up anew under its old name decides nothing of the one before it', async () => {
  const stage = await Stage.set()
  const keptId = stage.client.verdict.newId()
  const outcome = stage.wire.hold('outcome to beta')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done && stage.leftovers().some((left) => left.startsWith('beta holds')))
  expect(transfer.told).toBe('committed')
  const { id, digest } = stage.group.record(transfer.id) ?? {}
  const [branch] = stage.beta.database.prepared()
  if (id === undefined || digest === undefined || branch === undefined) throw new Error('expected it to be in doubt')
  for (const replica of stage.group.replicas) replica.crash()
  outcome.drop()

  const anew = new Group(stage.simulation, 'main', 'm')
  for (const replica of anew.replicas) replica.start()
  await stage.until(() => anew.findLeader() !== undefined)
  const entries = () => anew.status().appliedIndex - anew.status().epoch
  const before = entries()
  const horizon = 0 as never
  const toBeta = under.control(anew.id, beta)
  stage.wire.say(toBeta, { type: 'outcome', id, digest, outcome: 'aborted', token: branch.name.token, horizon })
  for (const answer of ['aborted', 'discard', 'expired'] as const) {
    stage.wire.say(toBeta, { type: 'inquiryAnswer', answers: [{ id, digest, answer }], horizon })
  }
  const token = 'a'.repeat(20) as Token
  stage.wire.say(under.vote(anew.id, beta), {
    type: 'inquiry',
    instance: stage.beta.instanceId(),
    branches: [{ id, digest, token }],
  })
  await stage.pass(20_000)
  expect(stage.beta.database.prepared()).toHaveLength(1)
  expect(stage.wire.all('inquiry from beta').filter(({ subject }) => subject.includes(anew.id))).toEqual([])
  // It moves its epoch, and nothing else.
  expect(entries()).toBe(before)
  const newcomer = await stage.anotherClient('newcomer')
  const foreign = newcomer.begin((verdict) =>
    verdict.transaction(() => undefined, { id: keptId }).catch((error: unknown) => error),
  )
  await stage.until(() => foreign.done, 1_000)
  expect(foreign.value).toMatchObject({ code: 'foreign-id' })

  for (const replica of anew.replicas) replica.crash()
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})
