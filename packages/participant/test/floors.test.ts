import { digestOf, type Epoch, type SweepAnswer } from '@verdict/protocol'
import { expect, test } from 'vitest'
import {
  calledList,
  digestNumber,
  group,
  id,
  idOf,
  loneList,
  loneOneShotList,
  oneShotList,
  otherGroup,
  tokenOf,
} from './names.ts'
import { Stage, writing } from './stage.ts'

const settings = { collectSpreadMs: 100, inquiryPauseMs: 500 }
const epoch = 7 // of all ids

/** The group says its horizon, as it does with each message. */
function announce(stage: Stage, horizon: number, from = group): void {
  const news = { type: 'announce', term: 1, epoch: (horizon + 10) as Epoch, horizon: horizon as Epoch } as const
  stage.send(`verdict.v1.news.${from}`, news)
}

function answer(stage: Stage, how: 'forgotten' | 'kept', from = group): void {
  const answers: SweepAnswer['answers'] = [{ id, answer: how }]
  stage.control({ type: 'sweepAnswer', answers, horizon: epoch as Epoch }, stage.instance(), from)
}

/** A stage whose store has a committed row. */
async function committed(mode: 'lone' | 'logged' = 'logged'): Promise<Stage> {
  const stage = await Stage.set(settings)
  stage.store.rows.set(id, { state: 'committed', mode, digest: digestNumber(1), token: tokenOf(1) })
  return stage
}

test('a horizon that any control message says becomes the floor of the resource', async () => {
  const stage = await Stage.set(settings)
  stage.control({
    type: 'inquiryAnswer',
    answers: [{ id, digest: digestNumber(1), answer: 'pending' }],
    horizon: 3 as Epoch,
  })
  await stage.settle(200)
  expect([...stage.store.floors]).toEqual([[group, 3]])
  announce(stage, 5)
  await stage.settle(200)
  expect([...stage.store.floors]).toEqual([[group, 5]])
  expect(stage.store.log.filter((method) => method === 'raiseFloor')).toHaveLength(2)
})

test('a floor that the resource could not raise is raised later', async () => {
  const stage = await Stage.set(settings)
  stage.store.script('raiseFloor', new Error('the store is down'))
  announce(stage, 5)
  await stage.settle(1_000)
  expect([...stage.store.floors]).toEqual([[group, 5]])
  expect(stage.count('failed')).toBe(1)
})

test('a first call under an old id is refused, and opens nothing', async () => {
  const stage = await Stage.set(settings)
  announce(stage, epoch)
  await stage.settle()
  stage.call({ operation: 'write' }, { value: 'a' })
  await stage.settle()
  expect(stage.results).toMatchObject([{ kind: 'refused', reason: { code: 'expired', retryable: true } }])
  expect(stage.store.log).not.toContain('open')
})

test('an old one-shot is refused, and opens nothing; one that is prepared already repeats its vote', async () => {
  const stage = await Stage.set(settings)
  const operations = [writing('a')]
  stage.prepare(oneShotList(operations), { operations })
  await stage.settle()
  announce(stage, epoch)
  await stage.settle(200)
  await stage.start('payments-2') // which remembers neither, and finds the floor in the store
  stage.prepare(oneShotList(operations), { operations, to: stage.instance(2) })
  stage.prepare(oneShotList(operations), { operations, id: idOf(2) })
  await stage.settle()
  const votes = (of: typeof id): string[] =>
    stage.said('vote').flatMap((vote) => (vote.id === of ? [vote.vote.kind] : []))
  expect(votes(id)).toEqual(['prepared', 'prepared'])
  expect(votes(idOf(2))).toEqual(['refused'])
  expect(stage.store.log.filter((method) => method === 'open')).toHaveLength(1)
})

test('a branch that grew too old while it was open is refused by the resource, and votes so', async () => {
  const stage = await Stage.set(settings)
  const token = await stage.opened()
  stage.store.floors.set(group, epoch as Epoch) // another instance was the first to hear of it
  stage.prepare(calledList(stage.instance(), token, 1), { to: stage.instance() })
  await stage.settle()
  expect(stage.said('vote')).toMatchObject([{ vote: { kind: 'refused', reason: { code: 'expired' } } }])
  expect(stage.store.prepared.size).toBe(0)
  expect(stage.store.open.size).toBe(0)
})

test('an old abort is acknowledged without a tombstone: the floor is as good', async () => {
  const stage = await Stage.set(settings)
  announce(stage, epoch)
  await stage.settle(200)
  stage.outcome('aborted', oneShotList([writing('a')]), undefined)
  await stage.settle()
  expect(stage.said('ack')).toMatchObject([{ id, applied: 'aborted' }])
  expect(stage.store.rows.size).toBe(0)
})

test('an old lone transaction is told as expired, and leaves no tombstone', async () => {
  const stage = await Stage.set(settings)
  announce(stage, epoch)
  await stage.settle(200)
  const operations = [writing('a')]
  stage.alone(loneOneShotList(operations), { operations })
  await stage.settle()
  expect(stage.decided).toEqual([{ kind: 'expired' }])
  expect(stage.store.log).not.toContain('open')
  expect(stage.store.rows.size).toBe(0)
})

test('a lone branch that grew too old while it was open is told as expired, not as aborted', async () => {
  const stage = await Stage.set(settings)
  const token = await stage.opened()
  stage.store.floors.set(group, epoch as Epoch)
  stage.alone(loneList(stage.instance(), token, 1), { to: stage.instance() })
  await stage.settle()
  expect(stage.decided).toEqual([{ kind: 'expired' }])
  expect([stage.store.effects, stage.store.rows.size]).toEqual([[], 0])
})

test('rows of lone transactions below the floor go, and nobody is asked', async () => {
  const stage = await committed('lone')
  announce(stage, epoch)
  await stage.settle(200)
  expect(stage.store.rows.size).toBe(0)
  expect(stage.said('sweep')).toEqual([])
})

test('tombstones below the floor go; a committed row goes once its group has forgotten it', async () => {
  const stage = await committed()
  stage.store.rows.set(idOf(2), { state: 'aborted' })
  announce(stage, epoch)
  await stage.settle(200)
  expect([...stage.store.rows.keys()]).toEqual([id])
  const { digest, token } = { digest: digestNumber(1), token: tokenOf(1) }
  expect(stage.said('sweep')).toMatchObject([{ instance: stage.instance(), rows: [{ id, digest, token }] }])
  answer(stage, 'kept')
  await stage.settle(200)
  expect([...stage.store.rows.keys()]).toEqual([id])
  await stage.settle(500)
  expect(stage.said('sweep').length).toBeGreaterThan(1)
  answer(stage, 'forgotten')
  await stage.settle(200)
  expect(stage.store.rows.size).toBe(0)
  expect(stage.servings[0]?.counters.forgotten).toBe(2)
})

test('the answer of another group forgets nothing', async () => {
  const stage = await committed()
  announce(stage, epoch)
  await stage.settle(200)
  answer(stage, 'forgotten', otherGroup)
  await stage.settle(200)
  expect(stage.store.rows.size).toBe(1)
  expect(stage.servings[0]?.counters.rejected).toBe(1)
})

test('of several instances that hear of a horizon one goes through the rows', async () => {
  const stage = await Stage.set(settings, 3)
  announce(stage, epoch)
  await stage.settle(200)
  expect(stage.store.log.filter((method) => method === 'raiseFloor')).toHaveLength(3)
  expect(stage.store.log.filter((method) => method === 'collect')).toHaveLength(1)
})

test('an instance that starts goes through what is below the floors that it finds', async () => {
  const stage = await Stage.set(settings)
  stage.store.floors.set(group, epoch as Epoch)
  stage.store.rows.set(id, { state: 'aborted' })
  await stage.start('payments-2')
  await stage.settle(200)
  expect(stage.store.rows.size).toBe(0)
})

test('a branch that was prepared long ago is rolled back when the group has forgotten it, unless the history changed', async () => {
  for (const history of ['same', 'changed'] as const) {
    const stage = await Stage.set({ ...settings, inquireAfterMs: 100, inquirySpreadMs: 100, sweepMs: 100 })
    const list = calledList(stage.instance(), tokenOf(9), 1)
    const digest = digestOf(id, list)
    stage.store.prepared.set(id, { id, digest, token: tokenOf(9), writes: ['a'], history })
    await stage.settle(1_000)
    expect(stage.said('inquiry').length).toBeGreaterThan(0)
    stage.control({ type: 'inquiryAnswer', answers: [{ id, digest, answer: 'expired' }], horizon: epoch as Epoch })
    await stage.settle(500)
    expect(stage.store.prepared.size).toBe(history === 'same' ? 0 : 1)
    expect([...stage.store.floors]).toEqual([[group, epoch]])
    expect(stage.count('quarantined') > 0).toBe(history === 'changed')
  }
})
