import type { Histogram } from '@opentelemetry/sdk-metrics'
import { type BranchList, digestOf, maxPayloadBytes, type Token } from '@verdict/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { calledList, id, idOf, instanceOf, me, nonceOf, oneShotList, tokenOf } from './names.ts'
import { type Point, Recorded } from './recorded.ts'
import { Stage, writing } from './stage.ts'

let recorded: Recorded

beforeEach(() => {
  recorded = new Recorded()
})

afterEach(() => recorded[Symbol.dispose]())

const set = (settings = {}, instances = 1): Promise<Stage> => Stage.set(settings, instances, recorded)

interface Prepared {
  readonly stage: Stage
  readonly list: BranchList
  readonly token: Token
}

async function prepared(settings = {}): Promise<Prepared> {
  const stage = await set(settings)
  const token = await stage.opened('a')
  const list = calledList(stage.instance(), token, 1)
  stage.prepare(list, { to: stage.instance() })
  await stage.settle()
  return { stage, list, token }
}

const here = { 'verdict.participant': me }
const operations = { 'rpc.system.name': 'verdict' }

/** Attributes and number of each series of a counter. */
async function counted(name: string): Promise<readonly (readonly [object, unknown])[]> {
  return (await recorded.points(name)).map(({ attributes, value }) => [attributes, value])
}

const secondsOf = ({ value }: Point): number | undefined => (value as Histogram).sum

test('a call is measured from its arrival to its answer, by operation and error', async () => {
  const stage = await set()
  stage.call({ operation: 'gated' }, { gate: 'g' })
  await stage.settle(200)
  stage.gates.open('g')
  await stage.settle()
  for (const [n, operation] of ['refuse', 'unheard-of'].entries()) {
    stage.call({ operation, id: idOf(10 + n) }, { code: 'sold-out' })
    await stage.settle()
  }
  stage.call({ operation: 'gated', nonce: nonceOf(2) }, { gate: 'g' })
  await stage.settle()
  const points = await recorded.points('rpc.server.call.duration')
  expect(points.map(({ attributes }) => attributes)).toEqual([
    { ...operations, 'rpc.method': 'payments/gated' },
    { ...operations, 'rpc.method': 'payments/refuse', 'error.type': '_OTHER' },
    { ...operations, 'rpc.method': '_OTHER', 'error.type': 'unknown-operation' },
    { ...operations, 'rpc.method': 'payments/gated', 'error.type': 'busy' },
  ])
  expect(points[0] && secondsOf(points[0])).toBeCloseTo(0.2, 2)
})

test('votes are counted by kind, and preparing is measured', async () => {
  const stage = await set()
  const token = await stage.opened('a')
  const release = stage.store.hold('prepare')
  stage.prepare(calledList(stage.instance(), token, 1), { to: stage.instance() })
  await stage.settle(300)
  release()
  await stage.settle()
  stage.prepare(calledList(stage.instance(), token, 2), { to: stage.instance(), id: idOf(2) })
  stage.prepare(calledList(instanceOf(9), token, 2), { id: idOf(3) })
  stage.prepare(oneShotList([{ name: 'read', args: writing('a').args }]), {
    id: idOf(4),
    operations: [{ name: 'read', args: writing('a').args }],
  })
  await stage.settle()
  expect(await counted('verdict.participant.votes')).toEqual(
    expect.arrayContaining(
      ['prepared', 'refused', 'busy', 'read-only'].map((vote) => [{ ...here, 'verdict.vote': vote }, 1]),
    ),
  )
  const [preparing] = await recorded.points('verdict.participant.prepare.duration')
  expect(preparing && secondsOf(preparing)).toBeCloseTo(0.3, 2)
})

test('endings are counted, and measured from being told', async () => {
  const { stage, list, token } = await prepared({ retryMs: 500 })
  stage.store.script('finish', 'busy')
  stage.outcome('committed', list, token)
  stage.outcome('committed', calledList(instanceOf(5), tokenOf(5), 1), tokenOf(5), { id: idOf(2) })
  stage.outcome('aborted', calledList(instanceOf(5), tokenOf(5), 1), undefined, { id: idOf(3) })
  await stage.settle(600)
  expect(await counted('verdict.participant.endings')).toEqual(
    expect.arrayContaining(['committed', 'hazard'].map((ending) => [{ ...here, 'verdict.ending': ending }, 1])),
  )
  expect(await recorded.points('verdict.participant.endings')).toHaveLength(2)
  const applied = await recorded.points('verdict.participant.apply.duration')
  const committed = applied.find(({ attributes }) => attributes['verdict.outcome'] === 'committed')
  expect(committed && secondsOf(committed)).toBeCloseTo(0.5, 2)
  expect(applied.map(({ attributes }) => attributes)).toContainEqual({ ...here, 'verdict.outcome': 'aborted' })
})

test('a discarded branch has ended too', async () => {
  const { stage, list } = await prepared()
  const answers = [{ id, digest: digestOf(id, list), answer: 'discard' as const }]
  stage.control({ type: 'inquiryAnswer', answers, horizon: 0 as never }, stage.instance())
  await stage.settle()
  expect(await counted('verdict.participant.endings')).toEqual([[{ ...here, 'verdict.ending': 'discarded' }, 1]])
})

describe('what an instance holds', () => {
  const branches = async (): Promise<object> =>
    Object.fromEntries(
      (await recorded.points('verdict.participant.branches')).map(({ attributes, value }) => [
        String(attributes['verdict.branch.state']),
        value,
      ]),
    )
  const inDoubt = async (): Promise<readonly unknown[]> => [
    (await recorded.points('verdict.participant.in_doubt'))[0]?.value,
    (await recorded.points('verdict.participant.in_doubt.age'))[0]?.value,
  ]

  test('is read when metrics are collected: branches that wait, are open, are prepared', async () => {
    const stage = await set({ lockTimeoutMs: 10_000 })
    const [token] = await stage.filled()
    stage.prepare(calledList(stage.instance(), token, 1), { to: stage.instance() })
    stage.call({ operation: 'write', id: idOf(100) }, { value: 'b' })
    await stage.settle()
    expect(await branches()).toEqual({ waiting: 1, open: stage.store.capacity - 1, prepared: 1 })
  })

  test('in doubt, with the age of the oldest, until the outcome is applied', async () => {
    const { stage, list, token } = await prepared()
    expect(await inDoubt()).toEqual([1, expect.closeTo(0.02, 2)])
    await stage.settle(30_000)
    expect(await inDoubt()).toEqual([1, expect.closeTo(30, 1)])
    stage.outcome('committed', list, token)
    await stage.settle()
    expect(await inDoubt()).toEqual([0, 0])
  })

  test('in doubt since an earlier life is at least as old as what the sweeper takes', async () => {
    const stage = await set({ inquireAfterMs: 5_000 }, 0)
    const list = calledList(instanceOf(9), tokenOf(9), 1)
    const row = { id, digest: digestOf(id, list), token: tokenOf(9), writes: [], history: 'same' as const }
    stage.store.prepared.set(id, row)
    await stage.start('payments-1')
    await stage.settle(10_000)
    expect(await inDoubt()).toEqual([1, expect.closeTo(15, 1)])
  })

  test('is not read any more once the instance has stopped: what was read last stays', async () => {
    const { stage } = await prepared()
    const last = await inDoubt()
    const stopping = stage.servings[0]?.stop()
    await stage.settle(60_000)
    await stopping
    expect(await inDoubt()).toEqual(last)
  })
})

describe('a refusal is counted by the bound that was met', () => {
  const list = calledList(instanceOf(5), tokenOf(5), 1)
  test.each<readonly [string, object, (stage: Stage) => Promise<void> | void]>([
    [
      'capacity',
      { lockTimeoutMs: 500 },
      async (stage) => {
        await stage.filled()
        stage.call({ operation: 'write', id: idOf(100) }, { value: 'b' })
        await stage.settle(600)
      },
    ],
    [
      'maxWaitingForRoom',
      { maxWaitingForRoom: 0 },
      async (stage) => {
        await stage.filled()
        stage.call({ operation: 'write', id: idOf(100) }, { value: 'b' })
      },
    ],
    [
      'maxWaitingCalls',
      { maxWaitingCalls: 1 },
      async (stage) => {
        const token = await stage.opened('a')
        for (const n of [2, 3, 4]) {
          stage.call({ operation: 'gated', n, token }, { gate: 'never' }, stage.instance())
          await stage.settle()
        }
      },
    ],
    [
      'maxKeptBytes',
      { maxKeptBytes: 0 },
      async (stage) => {
        await stage.opened('a')
        stage.call({ operation: 'write' }, { value: 'a' })
      },
    ],
    [
      'maxPayloadBytes',
      {},
      (stage) => {
        stage.call({ operation: 'large' }, { bytes: maxPayloadBytes + 1 })
      },
    ],
    [
      'maxLooks',
      { maxLooks: 0 },
      (stage) => {
        stage.prepare(list)
      },
    ],
    [
      'maxEndings',
      { maxEndings: 0 },
      (stage) => {
        stage.outcome('aborted', list, undefined)
      },
    ],
    [
      'maxDoubts',
      { maxDoubts: 0, sweepMs: 60_000 },
      (stage) => {
        stage.store.prepared.set(id, {
          id,
          digest: digestOf(id, list),
          token: tokenOf(5),
          writes: [],
          history: 'same',
        })
        stage.prepare(list)
      },
    ],
  ])('%s', async (limit, settings, meet) => {
    const stage = await set(settings)
    expect(await recorded.points('verdict.limit.refusals')).toEqual([])
    await meet(stage)
    await stage.settle()
    expect(await counted('verdict.limit.refusals')).toEqual([[{ ...here, 'verdict.limit': limit }, 1]])
  })
})

test('a gap is refused without any bound being met', async () => {
  const stage = await set()
  const token = await stage.opened('a')
  stage.call({ operation: 'write', n: 9, token }, { value: 'b' }, stage.instance())
  await stage.settle()
  expect(await recorded.points('verdict.limit.refusals')).toEqual([])
})

test('thousands of ids, codes and unknown operations make no new series', async () => {
  const stage = await set()
  const round = async (n: number): Promise<void> => {
    stage.call({ operation: `unheard-of-${n}`, id: idOf(n) }, {})
    stage.call({ operation: 'refuse', id: idOf(n + 1) }, { code: `code-${n}` })
    stage.call({ operation: 'write', id: idOf(n + 2) }, { value: 'a' })
    stage.prepare(calledList(instanceOf(9), tokenOf(9), 1), { id: idOf(n + 3) })
    stage.outcome('committed', calledList(instanceOf(9), tokenOf(9), 1), tokenOf(9), { id: idOf(n + 4) })
    await stage.settle(5)
    for (const { message } of stage.answers.splice(0)) {
      if (message.type === 'result' && message.token) stage.release(message.id, message.token)
    }
    await stage.settle(5)
  }
  const series = async (): Promise<number> =>
    [...(await recorded.metrics()).values()].reduce((sum, points) => sum + points.length, 0)
  await round(1)
  const once = await series()
  for (let n = 1; n < 1_000; n += 1) await round(n * 5)
  expect(await series()).toBe(once)
  expect(once).toBeLessThan(20)
  const calls = (await recorded.points('rpc.server.call.duration')).map(({ value }) => (value as Histogram).count)
  expect(calls).toEqual([1_000, 1_000, 1_000])
})
