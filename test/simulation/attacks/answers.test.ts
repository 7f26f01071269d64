import {
  answerSubject,
  type Commit,
  encodePayload,
  type InboxToken,
  makeToken,
  type OwnerName,
  type ParticipantName,
  reasonCodes,
  type Token,
  type TransactionId,
} from '@verdict/protocol'
import { expect, test } from 'vitest'
import { Group } from './group.ts'
import { gate, Stage } from './stage.ts'
import { type Sent, under } from './wire.ts'

const gamma = 'gamma' as ParticipantName
const mallory = 'mallory' as OwnerName

function committed(sent: Sent | undefined): Commit {
  if (sent?.message.type !== 'commit') throw new Error('expected a commit')
  return sent.message
}

test('R15: a vote counts only for the participant whose subject it came on', async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote from beta')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => votes.messages.length > 0)
  const [vote] = votes.messages
  if (vote === undefined) throw new Error('expected a vote')
  stage.wire.again(vote, under.vote(stage.group.id, gamma))
  await stage.pass(200)
  expect(stage.group.record(stage.wire.idOf('commit'))).toBeUndefined()
  votes.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
})

test('R15: an acknowledgement counts only for the participant whose subject it came on', async () => {
  const stage = await Stage.set()
  const acks = stage.wire.hold('ack from beta')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => acks.messages.length > 0 && transfer.done)
  const [ack] = acks.messages
  if (ack === undefined) throw new Error('expected an acknowledgement')
  stage.wire.again(ack, under.vote(stage.group.id, gamma))
  await stage.pass(2_000)
  expect(stage.group.record(transfer.id)?.settled).toBe(false)
  acks.release()
  await stage.rest()
  expect(stage.group.record(transfer.id)?.settled).toBe(true)
})

test('R15: another owner neither commits nor aborts a transaction whose id it knows', async () => {
  const stage = await Stage.set()
  const held = stage.wire.hold('commit from client')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => held.messages.length > 0)
  const commit = committed(held.messages[0])
  const { id, list, digest } = commit
  const reason = { code: reasonCodes.clientAborted, message: 'No.', retryable: false }
  const subject = under.group(stage.group.id, mallory)
  const answers = [commit, { type: 'abort', id, list, digest, reason } as const].map((message) =>
    stage.wire.ask(mallory, subject, message),
  )
  await stage.until(() => answers.every(({ length }) => length > 0))
  expect(answers.flat()).toMatchObject([{ type: 'failure' }, { type: 'failure' }])
  await stage.pass(200)
  expect(stage.group.record(id)).toBeUndefined()
  expect(stage.wire.has('prepare')).toBe(false)

  held.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
})

test('R15: another owner neither calls in a branch whose token it knows nor releases it', async () => {
  const stage = await Stage.set()
  const held = stage.wire.hold('commit from client')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => held.messages.length > 0)
  const [call, result] = [stage.wire.first('call to alpha').message, stage.wire.first('result from alpha').message]
  if (call.type !== 'call' || result.type !== 'result' || result.token === undefined) throw new Error('expected a call')
  const { token, instance, id } = result
  const subject = under.call('alpha' as ParticipantName, instance, mallory)
  const answers = stage.wire.ask(mallory, subject, { ...call, token, n: 2 })
  stage.wire.say(subject, { type: 'release', id, token })
  await stage.until(() => answers.length > 0)
  expect(answers).toMatchObject([{ type: 'failure' }])
  await stage.pass(200)
  expect(stage.alpha.executed).toHaveLength(1)

  held.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test("R15: nobody is made to speak into another's inbox", async () => {
  const stage = await Stage.set()
  const held = stage.wire.hold('commit from client')
  stage.client.transfer('alpha', 'beta')
  await stage.until(() => held.messages.length > 0)
  const victim = under.inbox('teller' as OwnerName, makeToken<InboxToken>(new Uint8Array(12)))
  const { group } = stage
  const { id: tellers, ...own } = committed(held.messages[0])
  const id = tellers.replace('_teller_', '_mallory_') as TransactionId
  const call = stage.wire.first('call to alpha')
  if (call.message.type !== 'call') throw new Error('expected a call')
  const args = encodePayload({ key: 'b', amount: 1 }, 'what is not locked')
  stage.wire.askFrom(victim, under.hello(group.manifest.name, mallory), { type: 'hello' })
  stage.wire.askFrom(victim, under.look(group.id, mallory), { type: 'look', ids: [id] })
  stage.wire.askFrom(victim, under.group(group.id, mallory), { ...own, id })
  stage.wire.askFrom(victim, under.status(group.id, group.leader.name, mallory), { type: 'status' })
  stage.wire.askFrom(victim, under.firstCall('alpha' as ParticipantName, mallory), { ...call.message, id, args })
  await stage.pass(1_000)
  expect(stage.wire.sent.filter(({ subject }) => subject.startsWith(victim))).toEqual([])
})

test('R15: an answer counts only when it comes from the one that was asked', async () => {
  const stage = await Stage.set()
  const stranger = new Group(stage.simulation, 'main', 'm')
  const held = stage.wire.hold('commit from client')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => held.messages.length > 0)
  const [asked] = held.messages
  const { id, digest } = committed(asked)
  if (asked?.replyTo === undefined) throw new Error('expected a reply subject')
  const decided = { type: 'decided', id, digest, epoch: 1 as never } as const
  const answer = { kind: 'committed', applied: true, hazards: [] } as const
  for (const answerer of [
    { kind: 'participant', participant: gamma },
    { kind: 'replica', group: stranger.id, replica: 'm1' },
  ] as const) {
    stage.wire.askFrom(asked.replyTo, answerSubject(asked.replyTo, answerer), { ...decided, answer }, asked.request)
  }
  await stage.pass(200)
  expect(transfer.told).toBe('nothing yet')
  expect(stage.client.verdict.counters.foreign).toBe(2)
  held.drop()
  stage.wire.lose('vote from beta')
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('aborted')
})

test('R3, R15: that nothing is recorded is told only by a leader that leads still', async () => {
  const stage = await Stage.set()
  const auditor = await stage.anotherClient('auditor', 'audit')
  const deposed = stage.group.isolateLeader()
  await stage.newLeader(deposed)
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  const look = auditor.begin((verdict) => verdict.look(transfer.id))
  await stage.until(() => look.done)
  await stage.pass(500)
  expect(look.value).toMatchObject({ kind: 'recorded', outcome: 'committed' })
  expect(stage.wire.has(`looked from ${deposed.name}`)).toBe(false)
  await stage.rest()
})

test('R15: a replica that leads no more says nothing to anybody: "not leader" is no answer', async () => {
  const stage = await Stage.set()
  const { leader } = stage.group
  const others = stage.group.replicas.filter((replica) => replica !== leader).map(({ name }) => name)
  stage.simulation.network.partition([leader.name], others)
  await stage.newLeader(leader)
  await stage.until(() => stage.group.status(leader).role !== 'leader')
  const spoken = (): Sent[] => stage.wire.sent.filter(({ from }) => from === leader.name)
  const { length } = spoken()
  await stage.anotherClient('newcomer')
  const runs = [stage.client.transfer('alpha', 'beta'), stage.client.submit('alpha', 'beta', { key: 'b' })]
  await stage.until(() => runs.every(({ done }) => done))
  expect(runs.map(({ told }) => told)).toEqual(['committed', 'committed'])
  await stage.rest()
  expect(
    spoken()
      .slice(length)
      .map(({ message }) => message.type),
  ).toEqual([])
})

test('R2: without a majority nothing is told, and what is prepared waits for as long as that takes', async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => votes.messages.length === 2)
  const { leader } = stage.group
  const { lastIndex } = stage.group.status()
  for (const replica of stage.group.replicas) if (replica !== leader) replica.crash()
  votes.release()
  await stage.until(() => stage.group.status(leader).lastIndex > lastIndex)
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('in doubt')
  await stage.pass(120_000)
  expect(stage.wire.has('decided')).toBe(false)
  expect(stage.alpha.database.prepared().length + stage.beta.database.prepared().length).toBe(2)
  await stage.rest()
  const look = stage.client.begin((verdict) => verdict.look(transfer.id))
  await stage.until(() => look.done)
  const moved = stage.told(transfer.id) === 'committed' ? 10 : 0
  expect(look.value).toMatchObject({ kind: 'recorded', outcome: stage.told(transfer.id) })
  expect(stage.balances()).toEqual({ alpha: 100 - moved, beta: 100 + moved })
})

/** The leader records the decision of a one-shot and dies before it has told anybody. */
async function leaderDiesWithTheResults() {
  const stage = await Stage.set()
  const leader = stage.group.leader.name
  stage.wire.lose(`decided from ${leader}`)
  stage.wire.lose(`outcome from ${leader}`)
  const submit = stage.client.submit('alpha', 'beta')
  await stage.until(() => stage.wire.has(`decided from ${leader}`))
  return { stage, submit, old: stage.group.crashLeader() }
}

test('R5: the results of a one-shot outlive the leader that had them', async () => {
  const { stage, submit, old } = await leaderDiesWithTheResults()
  await stage.newLeader(old)
  await stage.until(() => submit.done)
  expect([submit.told, submit.value?.values]).toEqual(['committed', [90, 110]])
})

test('R5: the results of a one-shot are told again to a client that lost the answer, though all is settled by then', async () => {
  const stage = await Stage.set()
  const end = stage.wire.lose('decided')
  const submit = stage.client.submit('alpha', 'beta')
  await stage.until(() => stage.wire.has('decided'))
  await stage.rest()
  end()
  await stage.until(() => submit.done)
  expect([submit.told, submit.value?.values]).toEqual(['committed', [90, 110]])
})

test('R5: results that died with everybody who had them are told as unknown, and the commit as a commit', async () => {
  const { stage, submit, old } = await leaderDiesWithTheResults()
  stage.beta.restart()
  await stage.newLeader(old)
  await stage.until(() => submit.done)
  expect(submit.told).toBe('committed')
  expect([undefined, [90, 110]]).toContainEqual(submit.value?.values)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test("wait: 'applied' is answered when every branch has applied it, 'decided' before", async () => {
  const stage = await Stage.set()
  const outcome = stage.wire.hold('outcome to beta')
  const decided = stage.client.transfer('alpha', 'beta', { key: 'a' })
  const { passed, open } = gate()
  const applied = stage.client.transfer('alpha', 'beta', { key: 'b', wait: 'applied' })
  const seen = stage.client.begin(async () => {
    await passed
    return stage.beta.balance('b')
  })
  stage.simulation.afterEachStep(() => applied.done && open())
  await stage.until(() => decided.done)
  await stage.pass(3_000)
  expect([decided.told, applied.told]).toEqual(['committed', 'nothing yet'])
  expect(stage.beta.balance('a')).toBe(100)

  outcome.release()
  await stage.until(() => seen.done)
  expect([applied.told, seen.value]).toEqual(['committed', 110])
})

test('R8: the words of a group reach a participant only on the subject of that group', async () => {
  const stage = await Stage.set()
  const stranger = new Group(stage.simulation, 'other', 'm')
  const votes = stage.wire.hold('vote')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => votes.messages.length === 2)
  const { id, digest } = committed(stage.wire.first('commit'))
  const [branch] = stage.beta.database.prepared()
  const token = branch?.name.token ?? ('' as Token)
  const beta = under.control(stranger.id, 'beta' as ParticipantName)
  for (const outcome of ['committed', 'aborted'] as const) {
    stage.wire.say(beta, { type: 'outcome', id, digest, token, outcome, horizon: 0 as never })
  }
  await stage.pass(200)
  expect(stage.beta.database.prepared()).toHaveLength(1)
  votes.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
})
