import { digestOf, type ParticipantName, parseId, sealList, type Token } from '@verdict/protocol'
import { expect, test } from 'vitest'
import type { ServiceContract } from './service.ts'
import { gate, Stage } from './stage.ts'
import { type Sent, under } from './wire.ts'

const anyToken = 'a'.repeat(20) as Token

/** The commit that a client asked for, for the named branches only: as another process of its owner might ask. */
function commitOf({ message }: Sent, ...participants: readonly string[]) {
  if (message.type !== 'commit') throw new Error(`expected a commit, found ${message.type}`)
  const { id } = message
  const list = sealList(message.list.filter(({ participant }) => participants.includes(participant)))
  return { ...message, list, digest: digestOf(id, list) }
}

function ask(stage: Stage, commit: ReturnType<typeof commitOf>) {
  return stage.wire.ask('teller', under.group(stage.group.id, parseId(commit.id).owner), commit)
}

/** A client opened branches at alpha, beta and gamma, and died when it was about to ask for the commit. */
async function threeOpenBranches() {
  const stage = await Stage.set({ services: { alpha: {}, beta: {}, gamma: {} } })
  const commit = stage.wire.hold('commit from client')
  stage.client.begin((verdict) =>
    verdict.transaction(async (tx) => {
      for (const name of ['alpha', 'beta', 'gamma']) {
        await tx.on<ServiceContract>(name).add({ key: 'a', amount: -10 })
      }
    }),
  )
  await stage.until(() => commit.messages.length > 0)
  stage.client.process.crash()
  const [asked] = commit.messages
  if (asked === undefined) throw new Error('no commit was held')
  return { stage, asked }
}

/** Doubles a first call of alpha until each of its instances has executed it. */
async function arriveEverywhere(stage: Stage, call: Sent): Promise<void> {
  const { executed, instances } = stage.alpha
  while (new Set(executed).size < instances.length) {
    stage.wire.again(call)
    await stage.pass(5)
  }
}

test('R5: a branch that died and was opened again under the same name is not the one that the client saw', async () => {
  const stage = await Stage.set()
  stage.wire.lose('release from client')
  const { passed, open } = gate()
  const run = stage.client.begin((verdict) =>
    verdict.transaction(async (tx) => {
      await tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -10 })
      await passed
      await tx.on<ServiceContract>('beta').add({ key: 'a', amount: 10 })
    }),
  )
  await stage.until(() => stage.wire.has('result from alpha'))
  stage.alpha.restart()
  await stage.until(() => stage.alpha.serving.size === 1)
  stage.wire.again(stage.wire.first('call to alpha'))
  await stage.until(() => stage.wire.all('result from alpha').length === 2)
  open()
  await stage.until(() => run.done)

  expect(run.told).toBe('aborted')
  expect(stage.alpha.executed).toHaveLength(2)
  const votes = stage.wire.all('vote from alpha').map(({ message }) => message.type === 'vote' && message.vote.kind)
  expect(votes).not.toContain('prepared')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R5: a vote of another opening than the listed one is not counted', async () => {
  const stage = await Stage.set()
  const votes = stage.wire.hold('vote from beta')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => votes.messages.length > 0)
  const [real] = votes.messages
  if (real?.message.type !== 'vote' || real.message.vote.kind !== 'prepared') throw new Error('expected a vote')
  const { message } = real
  stage.wire.say(real.subject, { ...message, vote: { ...real.message.vote, token: anyToken } })
  await stage.pass(200)
  expect(stage.group.record(message.id)).toBeUndefined()

  votes.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R5: a branch that executed more calls than the list names refuses', async () => {
  const stage = await Stage.set()
  const commit = stage.wire.hold('commit from client')
  stage.client.begin((verdict) =>
    verdict.transaction(async (tx) => {
      await tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -10 })
      await tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -10 })
      await tx.on<ServiceContract>('beta').add({ key: 'a', amount: 10 })
    }),
  )
  await stage.until(() => commit.messages.length > 0)
  stage.client.process.crash()
  const [asked] = commit.messages
  if (asked?.message.type !== 'commit') throw new Error('expected a commit')
  const { message } = asked
  const list = sealList(message.list.map((branch) => (branch.kind === 'called' ? { ...branch, calls: 1 } : branch)))
  const answers = ask(stage, { ...message, list, digest: digestOf(message.id, list) })
  await stage.until(() => answers.length > 0)

  expect(answers).toMatchObject([{ answer: { kind: 'aborted', reason: { code: 'unknown-branch' } } }])
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R5: a call that failed poisons the transaction, though its error is caught', async () => {
  const stage = await Stage.set()
  const run = stage.client.begin((verdict) =>
    verdict.transaction(async (tx) => {
      await tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -10 })
      await tx
        .on<ServiceContract>('beta')
        .refuseAll({})
        .catch(() => undefined)
    }),
  )
  await stage.until(() => run.done)
  expect(run.told).toBe('given up')
  expect(run.reason).toBe('not-today')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R5: a call without an answer poisons the transaction, though it was executed', async () => {
  const stage = await Stage.set()
  stage.wire.lose('result from beta')
  const run = stage.client.begin((verdict) =>
    verdict.transaction(async (tx) => {
      await tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -10 })
      await tx
        .on<ServiceContract>('beta')
        .add({ key: 'a', amount: 10 })
        .catch(() => undefined)
    }),
  )
  await stage.until(() => stage.wire.has('result from beta'))
  stage.beta.crash()
  await stage.until(() => run.done)
  expect(stage.beta.executed).toEqual(['beta-1 add'])
  expect([run.told, run.reason]).toEqual(['given up', 'unreachable'])
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R5: a doubled call is executed once, before its answer and after it', async () => {
  const stage = await Stage.set()
  const result = stage.wire.hold('result from alpha')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => stage.wire.has('call to alpha'))
  stage.wire.again(stage.wire.first('call to alpha'))
  await stage.until(() => result.messages.length > 0)
  stage.wire.again(stage.wire.first('call to alpha'))
  await stage.pass(100)
  result.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  expect(stage.alpha.executed).toEqual(['alpha-1 add'])
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R5: a first call that reached two instances opens two branches; one of them counts, once', async () => {
  const stage = await Stage.set({ services: { alpha: { instances: 2 }, beta: {} } })
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => stage.wire.has('call to alpha'))
  const call = stage.wire.first('call to alpha')
  await arriveEverywhere(stage, call)
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  // The client lets the other one go as soon as it hears of it.
  await stage.until(() => stage.alpha.database.locks().length === 0, 500)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R5: an instance with another opening of the branch neither prepares nor refuses it: it says busy', async () => {
  const stage = await Stage.set({ services: { alpha: { instances: 2 }, beta: {} } })
  const commit = stage.wire.hold('commit from client')
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => commit.messages.length > 0)
  const holder = stage.wire.first('result from alpha').from
  const other = holder === 'alpha-1' ? 2 : 1
  const call = stage.wire.first('call to alpha')
  await arriveEverywhere(stage, call)
  const prepare = stage.wire.hold('prepare to alpha')
  commit.release()
  await stage.until(() => prepare.messages.length > 0)
  const [asked] = prepare.messages
  if (asked === undefined) throw new Error('no prepare was held')
  const name = 'alpha' as ParticipantName
  stage.wire.again(asked, under.controlInstance(stage.group.id, name, stage.alpha.instanceId(other)))
  await stage.until(() => stage.wire.has('vote from alpha'))
  expect(stage.wire.all('vote from alpha')).toMatchObject([{ message: { vote: { kind: 'busy' } } }])

  prepare.release()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R4: a request with another list waits for the decision, and hears conflict', async () => {
  const { stage, asked } = await threeOpenBranches()
  const votes = stage.wire.hold('vote from beta')
  const one = ask(stage, commitOf(asked, 'alpha', 'beta'))
  await stage.until(() => votes.messages.length > 0)
  const other = ask(stage, commitOf(asked, 'alpha', 'gamma'))
  await stage.pass(200)
  expect([...one, ...other]).toEqual([])

  votes.release()
  await stage.until(() => one.length > 0 && other.length > 0)
  expect(one).toMatchObject([{ answer: { kind: 'committed' } }])
  const { digest } = commitOf(asked, 'alpha', 'beta')
  expect(other).toMatchObject([{ answer: { kind: 'conflict', recorded: digest, outcome: 'committed' } }])
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 90, gamma: 100 })
})

test.each(['remembers its vote', 'was restarted since'])(
  'R4: a vote for one list never counts for another, and a participant that %s gives no second one',
  async (how) => {
    const { stage, asked } = await threeOpenBranches()
    const votes = stage.wire.hold('vote')
    ask(stage, commitOf(asked, 'alpha', 'beta'))
    await stage.until(() => votes.messages.length === 2)
    const ofAlpha = votes.messages.find(({ from }) => from.startsWith('alpha'))
    if (ofAlpha === undefined) throw new Error('alpha has not voted')
    votes.drop()
    await stage.newLeader(stage.group.crashLeader())
    if (how !== 'remembers its vote') stage.alpha.restart()
    const prepare = stage.wire.hold('prepare to alpha')

    const answers = ask(stage, commitOf(asked, 'alpha', 'gamma'))
    await stage.until(() => prepare.messages.length > 0 && stage.wire.has('vote from gamma'))
    stage.wire.again(ofAlpha)
    await stage.pass(200)
    expect(answers).toEqual([])

    prepare.release()
    await stage.until(() => answers.length > 0)
    expect(answers).toMatchObject([{ answer: { kind: 'aborted', reason: { code: 'conflict' } } }])
    await stage.rest()
    expect(stage.balances()).toEqual({ alpha: 100, beta: 100, gamma: 100 })
  },
)

/** beta only reads in a one-shot; its process then forgets, its data changes, and the one-shot arrives there once more. */
test('R8, R10: the ghost of a read-only branch that writes when it runs again is discarded', async () => {
  const stage = await Stage.set()
  const run = stage.client.begin((verdict) =>
    verdict.submit([
      verdict.call<ServiceContract>('alpha').add({ key: 'a', amount: -10 }),
      verdict.call<ServiceContract>('beta').topUp({ key: 'a', below: 50, amount: 5 }),
    ]),
  )
  await stage.until(() => run.done)
  expect(run.value?.values).toEqual([90, 100])
  const record = stage.group.record(run.id)
  expect(record?.branches.map(({ vote }) => vote)).toEqual(['prepared', 'read-only'])
  const spend = stage.client.transfer('beta', 'alpha', { amount: 60 })
  await stage.until(() => spend.done)
  stage.beta.restart()
  await stage.until(() => stage.beta.serving.size === 1)

  stage.wire.again(stage.wire.first('prepare to beta'))
  await stage.until(() => stage.beta.database.prepared().length === 1)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 150, beta: 40 })
})

test('R5: a one-shot that arrives again after it committed takes no second effect', async () => {
  const stage = await Stage.set()
  const submit = stage.client.submit('alpha', 'beta')
  await stage.until(() => submit.done)
  await stage.rest()
  const copies = stage.wire.all('prepare')
  for (const copy of copies) stage.wire.again(copy)
  await stage.pass(1_000)
  stage.alpha.restart()
  stage.beta.restart()
  await stage.until(() => stage.alpha.serving.size + stage.beta.serving.size === 2)
  for (const copy of copies) stage.wire.again(copy)
  await stage.until(() => stage.beta.executed.length > 1)
  await stage.pass(1_000)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 110 })
})

test('R8: a prepare that arrives after the abort finds a tombstone, and prepares nothing', async () => {
  const stage = await Stage.set()
  const prepare = stage.wire.hold('prepare to beta')
  const submit = stage.client.submit('alpha', 'beta', { budgetMs: 2_000 })
  await stage.until(() => submit.done)
  expect(submit.told).toBe('aborted')
  await stage.rest()
  stage.beta.restart()
  await stage.until(() => stage.beta.serving.size === 1)

  prepare.release()
  await stage.until(() => stage.beta.executed.length > 0 && stage.wire.has('vote from beta'))
  const votes = stage.wire.all('vote from beta').map(({ message }) => message.type === 'vote' && message.vote.kind)
  expect(new Set(votes)).toEqual(new Set(['refused']))
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('whatever was ever said may be heard again, in any order, and changes nothing', async () => {
  const stage = await Stage.set()
  const id = stage.client.verdict.newId()
  const runs = [
    stage.client.transfer('alpha', 'beta', { id }),
    stage.client.submit('alpha', 'beta', { key: 'b' }),
    stage.client.transfer('alpha', 'beta', { key: 'c', amount: 1_000 }),
    stage.client.submit('alpha', 'beta', { key: 'd', amount: 1_000 }),
  ]
  await stage.until(() => runs.every(({ done }) => done))
  await stage.rest()
  const ids = runs.map((run) => run.id)
  const before = ids.map((one) => stage.group.record(one))
  const told = [...stage.wire.sent]
  for (const round of [1, 2, 3]) {
    const order = told.map((sent) => ({ sent, place: stage.simulation.random.fraction() }))
    for (const { sent } of order.toSorted((one, other) => one.place - other.place)) {
      stage.wire.again(sent)
      await stage.pass(stage.simulation.random.integer(0, 20))
    }
    if (round === 1) {
      stage.alpha.restart()
      stage.beta.restart()
    }
    if (round === 2) await stage.newLeader(stage.group.crashLeader())
  }
  await stage.rest()
  await stage.pass(30_000)
  await stage.rest()
  expect(ids.map((one) => stage.group.record(one))).toEqual(before)
  expect([stage.balances('a'), stage.balances('b')]).toEqual([
    { alpha: 90, beta: 110 },
    { alpha: 90, beta: 110 },
  ])
})
