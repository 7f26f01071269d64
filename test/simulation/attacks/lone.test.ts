import { InDoubt } from '@verdict/client'
import { type Alone, digestOf, sealList, type TransactionId } from '@verdict/protocol'
import { expect, test } from 'vitest'
import type { Told } from './client.ts'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'
import { type Sent, under } from './wire.ts'

const aloneIn = ({ message }: Sent): Alone => {
  if (message.type !== 'alone') throw new Error(`expected a request to commit alone, found ${message.type}`)
  return message
}

/** A stage with one service of two instances. */
function oneService(seed = 1): Promise<Stage> {
  return Stage.set({ seed, services: { alpha: { instances: 2 } } })
}

/** A client that has called alpha and asks it to commit; the request is held. */
async function heldAlone(stage: Stage, calls = 1) {
  const held = stage.wire.hold('alone from client')
  const run = stage.client.begin((verdict) =>
    verdict.transaction(async (tx) => {
      for (let n = 0; n < calls; n += 1) await tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -10 })
    }),
  )
  await stage.until(() => held.messages.length > 0)
  const [asked] = held.messages
  if (asked === undefined) throw new Error('nothing was held')
  return { held, run, asked, alone: aloneIn(asked) }
}

test('R9: a lone transaction is decided by its participant in two hops, and the group hears nothing of it', async () => {
  const stage = await Stage.set()
  const run = stage.client.add('alpha', -10)
  await stage.until(() => run.done)
  expect(run.told).toBe('committed')
  expect(stage.wire.all('alone')).toHaveLength(1)
  expect(stage.wire.all('loneDecided')).toHaveLength(1)
  for (const kind of ['commit', 'prepare', 'vote', 'outcome', 'ack'] as const) expect(stage.wire.has(kind)).toBe(false)
  expect(stage.group.record(run.id)).toBeUndefined()
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 100 })
})

test('R9, hole 2: what was told aborted stays so, though an earlier copy of the request arrives when it would succeed', async () => {
  const stage = await oneService()
  const held = stage.wire.hold('alone from client', ({ message }) => message.type === 'alone' && !message.again)
  const run = stage.client.addInOneShot('alpha', -150)
  await stage.until(() => run.done)
  expect([run.told, run.reason]).toEqual(['aborted', 'resource-refused'])
  const kept = stage.client.begin((verdict) =>
    verdict.transaction((tx) => tx.on<ServiceContract>('alpha').add({ key: 'a', amount: 100 }), {
      id: verdict.newId(),
    }),
  )
  await stage.until(() => kept.done)
  const copy = held.messages.find(({ message }) => 'id' in message && message.id === run.id)
  held.drop()
  if (copy === undefined) throw new Error('the first copy was not held')
  stage.wire.again(copy)
  await stage.pass(5_000)
  expect(stage.alpha.balance()).toBe(200)
  expect(stage.alpha.database.effects().filter(({ name }) => name.id === run.id)).toEqual([])
})

test('R9, hole 2: no answer, and nobody who listens, are in doubt: whoever asks again is told what the row says', async () => {
  const stage = await Stage.set()
  const end = stage.wire.lose('loneDecided from alpha')
  const run = stage.client.add('alpha', -10, { budgetMs: 2_000 })
  await stage.until(() => stage.wire.has('loneDecided from alpha'))
  stage.alpha.crash()
  await stage.until(() => run.done)
  expect(run.told).toBe('in doubt')
  end()
  stage.alpha.restart()
  await stage.until(() => stage.alpha.serving.size === 1)
  const { error } = run
  if (!(error instanceof InDoubt)) throw new Error('expected a doubt')
  const asked = stage.client.begin((verdict) => verdict.outcome(error.doubt))
  await stage.until(() => asked.done)
  expect(asked.value).toMatchObject({ outcome: 'committed' })
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 100 })
})

test('R9: an instance that dies with its branch leaves nothing, and another one says so for good', async () => {
  const stage = await oneService()
  const { held, run, asked } = await heldAlone(stage)
  const holder = stage.alpha.instances.findIndex(({ name }) => stage.alpha.executed[0]?.startsWith(name))
  stage.alpha.crash(holder + 1)
  held.drop()
  await stage.until(() => run.done)
  expect(run.told).toBe('aborted')
  expect(stage.alpha.database.rows()).toMatchObject([{ state: 'aborted' }])
  stage.wire.again(asked)
  stage.wire.again(stage.wire.first('call to alpha'))
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100 })
})

test('R5, R9: exactly the calls of the list: one that was executed and is not in it commits nothing', async () => {
  const stage = await Stage.set()
  const { held, asked, alone } = await heldAlone(stage, 2)
  stage.client.process.crash()
  held.drop()
  const list = sealList(alone.list.map((branch) => (branch.kind === 'called' ? { ...branch, calls: 1 } : branch)))
  const forged = { ...alone, list, digest: digestOf(alone.id, list) }
  const answers = stage.wire.ask('teller', asked.subject, forged)
  await stage.until(() => answers.length > 0)
  expect(answers).toMatchObject([{ answer: { kind: 'aborted', reason: { code: 'unknown-branch' } } }])
  stage.wire.again(asked)
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R5, R9: a branch that died and was opened again under the same name is not the one that the client saw', async () => {
  const stage = await Stage.set()
  const { held, run } = await heldAlone(stage)
  stage.wire.lose('release from client')
  stage.alpha.restart()
  await stage.until(() => stage.alpha.serving.size === 1)
  stage.wire.again(stage.wire.first('call to alpha'))
  await stage.until(() => stage.wire.all('result from alpha').length === 2)
  held.release()
  await stage.until(() => run.done)
  expect(run.told).toBe('aborted')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})

test('R9, hole 3: a request that arrives again after the commit, at any instance, takes no second effect', async () => {
  const stage = await oneService()
  const run = stage.client.addInOneShot('alpha', -10)
  await stage.until(() => run.done)
  for (let times = 0; times < 6; times += 1) {
    stage.wire.again(stage.wire.first('alone from client'))
    await stage.pass(500)
  }
  stage.alpha.restart(1)
  stage.alpha.restart(2)
  await stage.until(() => stage.alpha.serving.size === 2)
  stage.wire.again(stage.wire.first('alone from client'))
  await stage.rest()
  expect(run.told).toBe('committed')
  expect(stage.balances()).toEqual({ alpha: 90 })
})

test('R9, R10, hole 13: a one-shot that only read has a row, and does not write when it runs again', async () => {
  const stage = await oneService()
  const run = stage.client.begin((verdict) =>
    verdict.submit([verdict.call<ServiceContract>('alpha').topUp({ key: 'a', below: 50, amount: 1_000 })]),
  )
  await stage.until(() => run.done)
  expect([run.told, run.value?.values]).toEqual(['committed', [100]])
  const drawn = stage.client.add('alpha', -90)
  await stage.until(() => drawn.done)
  for (let times = 0; times < 4; times += 1) {
    stage.wire.again(stage.wire.first('alone from client'))
    await stage.pass(500)
  }
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 10 })
})

test.each([1, 2, 3, 4, 5, 6])(
  'R9, hole 17: whether a commit whose answer was lost happens at once, later or never, that is what is told (%i)',
  async (seed) => {
    const stage = await oneService(seed)
    stage.alpha.database.setFaults({ uncertainCommit: 1, noticeMs: [0, 400] })
    const runs = [-1, -2, -4].map((amount) => stage.client.add('alpha', amount, { key: amount === -1 ? 'b' : 'a' }))
    await stage.until(() => runs.every(({ done }) => done))
    stage.alpha.database.setFaults({ uncertainCommit: 0 })
    await stage.rest()
    expect(runs.map(({ told }) => told)).not.toContain('in doubt')
    const applied = new Set(stage.alpha.database.effects().map(({ name }) => name.id))
    const toldOf = (id: TransactionId): Told => (applied.has(id) ? 'committed' : 'aborted')
    expect(runs.map(({ told }) => told)).toEqual(runs.map(({ id }) => toldOf(id)))
  },
)

test('R4, R9: lone and logged never mix: a group takes no commit, abort or prepare of one branch', async () => {
  const stage = await Stage.set()
  const { held, run, alone } = await heldAlone(stage)
  const { id, list, digest } = alone
  const asks = [
    { type: 'commit', id, list, digest, leftMs: 1_000, wait: 'decided' },
    { type: 'abort', id, list, digest, reason: { code: 'given-up', message: '', retryable: true } },
  ] as const
  const answers = asks.map((ask) => stage.wire.ask('teller', under.group(stage.group.id, 'teller' as never), ask))
  const prepare = { type: 'prepare', id, list, digest, leftMs: 1_000, term: 1, horizon: 0 as never } as const
  stage.wire.say(under.control(stage.group.id, 'alpha' as never), prepare)
  await stage.until(() => answers.every(({ length }) => length > 0))
  for (const answer of answers) expect(answer).toMatchObject([{ type: 'failure', code: 'malformed-message' }])
  await stage.pass(2_000)
  expect([stage.wire.has('prepare'), stage.wire.has('vote')]).toEqual([false, false])
  held.release()
  await stage.until(() => run.done)
  expect(run.told).toBe('committed')
  expect(stage.group.record(id)).toBeUndefined()
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 90, beta: 100 })
})

test('R9, R17: under an id that the caller keeps one branch is logged, and no participant decides it', async () => {
  const stage = await Stage.set()
  const run = stage.client.begin((verdict) =>
    verdict.transaction((tx) => tx.on<ServiceContract>('alpha').add({ key: 'a', amount: -10 }), {
      id: verdict.newId(),
    }),
  )
  await stage.until(() => run.done)
  expect(stage.group.record(run.id)).toMatchObject({ outcome: 'committed', branches: [{ participant: 'alpha' }] })
  expect(stage.wire.has('alone')).toBe(false)
  const { list, digest } = stage.wire.first('commit').message as unknown as Alone
  const forged: Alone = { type: 'alone', id: run.id, list, digest, leftMs: 1_000, again: true }
  const answers = stage.wire.ask('teller', under.firstCall('alpha' as never, 'teller' as never), forged)
  await stage.until(() => answers.length > 0)
  expect(answers).toMatchObject([{ type: 'failure', code: 'malformed-message' }])
})

test('R15: nobody but its owner has a lone transaction decided', async () => {
  const stage = await Stage.set()
  const { held, run, alone } = await heldAlone(stage)
  const mallory = 'mallory' as never
  const named = alone.list.map((branch) => (branch.kind === 'called' ? branch.instance : undefined))[0]
  if (named === undefined) throw new Error('expected a called branch')
  for (const subject of [under.firstCall('alpha' as never, mallory), under.call('alpha' as never, named, mallory)]) {
    const answers = stage.wire.ask('mallory', subject, { ...alone, again: true })
    await stage.until(() => answers.length > 0)
    expect(answers).toMatchObject([{ type: 'failure' }])
  }
  stage.wire.askFrom(stage.wire.first('call to alpha').replyTo ?? '', under.firstCall('alpha' as never, mallory), alone)
  await stage.pass(100)
  expect(stage.wire.has('loneDecided')).toBe(false)
  expect(stage.wire.all('failure').filter(({ subject }) => subject.includes('.ans.teller.'))).toEqual([])
  held.release()
  await stage.until(() => run.done)
  expect(run.told).toBe('committed')
})

test('R15: a lone outcome is believed of its participant alone', async () => {
  const stage = await Stage.set()
  const { held, run, asked, alone } = await heldAlone(stage)
  const { id, digest } = alone
  const reason = { code: 'given-up', message: '', retryable: true }
  const said = {
    type: 'loneDecided',
    id,
    digest,
    instance: 'b'.repeat(20) as never,
    answer: { kind: 'aborted', reason },
  }
  for (const from of ['p.beta', `g.${stage.group.id}.n1`]) {
    stage.wire.tell(`${asked.replyTo}.${from}`, said as never, asked.request)
  }
  await stage.pass(100)
  expect(run.done).toBe(false)
  held.release()
  await stage.until(() => run.done)
  expect(run.told).toBe('committed')
})

test('R10: one-shots that are declared read-only are recorded nowhere, at one participant or at more', async () => {
  const stage = await Stage.set()
  const glance = (...services: string[]) =>
    stage.client.begin((verdict) =>
      verdict.submit(services.map((name) => verdict.call<ServiceContract>(name).glance({ key: 'a' }))),
    )
  const runs = [glance('alpha'), glance('alpha', 'beta')]
  await stage.until(() => runs.every(({ done }) => done))
  expect(runs.map(({ value }) => value?.values)).toEqual([[100], [100, 100]])
  for (const { value, id } of runs) {
    expect(value?.receipt).toMatchObject({ path: 'read-only', cost: { flushes: 0, logEntries: 0 } })
    expect(stage.group.record(id)).toBeUndefined()
  }
  expect([...stage.alpha.database.rows(), ...stage.beta.database.rows()]).toEqual([])
})

test('R10: an operation that writes though it is declared read-only writes nothing in such a one-shot', async () => {
  const stage = await Stage.set()
  const lie = (...services: string[]) =>
    stage.client.begin((verdict) =>
      verdict.submit(services.map((name) => verdict.call<ServiceContract>(name).lie({ key: 'a', amount: 1 }))),
    )
  const runs = [lie('alpha'), lie('alpha', 'beta')]
  await stage.until(() => runs.every(({ done }) => done))
  expect(runs.map(({ told }) => told)).toEqual(['aborted', 'aborted'])
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 100, beta: 100 })
})
