import type { Ack, Commit, HazardReport } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { maxSettledIds } from '../src/command.ts'
import { recordOf, unsettledCount } from '../src/records.ts'
import { defaultSettings } from '../src/settings.ts'
import { calledList, decision, group, id, instance, p, prepared, q, sealed } from './samples.ts'
import { on, Stage, settled } from './stage.ts'

const list = calledList(p, q)

function ack(of: typeof p, number = 1, over: Partial<Ack> = {}): Ack {
  const { digest } = sealed(id(number), list)
  return { type: 'ack', id: id(number), digest, instance: instance(of), applied: 'committed', ...over }
}

function hazard(number = 1, over: Partial<HazardReport> = {}): HazardReport {
  const { digest } = sealed(id(number), list)
  return { type: 'hazard', id: id(number), digest, kind: 'effects-lost', note: 'gone', ...over }
}

/** A leader that finds these transactions committed and unsettled. */
function inheriting(count: number, settings: Parameters<typeof Stage.leading>[0] = {}): Stage {
  return Stage.leading(settings, ({ replica }) => {
    for (let number = 1; number <= count; number += 1) replica.record(decision(id(number), 'committed'))
  })
}

function acknowledgeAll(stage: Stage, numbers: readonly number[]): void {
  for (const number of numbers) for (const of of [p, q]) stage.speak(of, ack(of, number))
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, place) => from + place)
}

/** A transaction for which all have voted prepared; returns the number of its owner's request. */
async function commitOf(stage: Stage, number: number, wait: Commit['wait'] = 'decided'): Promise<number> {
  const { digest } = sealed(id(number), list)
  const request = stage.ask({ type: 'commit', id: id(number), list, digest, leftMs: 10_000, wait })
  for (const of of [p, q]) stage.speak(of, { type: 'vote', id: id(number), digest, vote: prepared(of) })
  await settled()
  return request
}

const patient = (stage: Stage): Promise<number> => commitOf(stage, 1, 'applied')
const told = (stage: Stage): string[] => stage.take('outcome').map(({ subject }) => subject)

describe('outcomes', () => {
  test('of earlier leaders are told by a new one, in waves (R6)', async () => {
    const stage = inheriting(5, { takeUpsPerWave: 2 })
    expect(told(stage)).toHaveLength(4)
    await stage.clock.pass(defaultSettings.waveMs)
    expect(told(stage)).toHaveLength(4)
    await stage.clock.pass(defaultSettings.waveMs)
    expect(told(stage)).toHaveLength(2)
    await stage.clock.pass(3 * defaultSettings.waveMs)
    expect(told(stage)).toEqual([])
  })

  test('are told again until they are acknowledged, at the voter and at any instance in turn', async () => {
    const stage = inheriting(1)
    stage.speak(q, ack(q))
    expect(told(stage)).toEqual([on.controlInstance(group, p, instance(p)), on.controlInstance(group, q, instance(q))])
    await stage.clock.pass(500)
    expect(told(stage)).toEqual([on.control(group, p)])
    await stage.clock.pass(1_000)
    expect(told(stage)).toEqual([on.controlInstance(group, p, instance(p))])
    stage.speak(p, ack(p))
    await stage.clock.pass(60_000)
    expect(told(stage)).toEqual([])
    expect(unsettledCount(stage.replica.space, 10)).toBe(0)
  })

  test('go to any instance at once when the voter does not listen', () => {
    const stage = inheriting(1)
    const [first] = stage.take('outcome')
    first?.options?.onNoResponders?.()
    expect(told(stage)).toEqual([on.control(group, p)])
  })

  test('a fresh one is not kept waiting by the long pauses of an old one', async () => {
    const stage = inheriting(1)
    await stage.clock.pass(60_000)
    told(stage)
    await commitOf(stage, 3)
    expect(told(stage)).toHaveLength(2)
    await stage.clock.pass(defaultSettings.resendMs + defaultSettings.waveMs)
    expect(stage.take('outcome').filter(({ message }) => message.id === id(3))).toHaveLength(2)
  })

  test('beyond what fits into memory wait in the store, and follow as others settle', async () => {
    const stage = inheriting(5, { maxDelivering: 2 })
    expect(told(stage)).toHaveLength(4)
    await stage.clock.pass(400)
    expect(told(stage)).toEqual([])
    acknowledgeAll(stage, [1, 2])
    await stage.clock.pass(200)
    expect(new Set(stage.take('outcome').map(({ message }) => message.id))).toEqual(new Set([id(3), id(4)]))
    acknowledgeAll(stage, [3, 4])
    await stage.clock.pass(200)
    acknowledgeAll(stage, [5])
    await stage.clock.pass(200)
    expect(unsettledCount(stage.replica.space, 10)).toBe(0)
  })

  test('a new one that finds no room is told once, and insisted on when there is room', async () => {
    const stage = Stage.leading({ maxDelivering: 1 })
    await commitOf(stage, 1)
    told(stage)
    await commitOf(stage, 2)
    expect(stage.take('outcome').map(({ message }) => message.id)).toEqual([id(2), id(2)])
    acknowledgeAll(stage, [1])
    await stage.clock.pass(200)
    expect(stage.take('outcome').map(({ message }) => message.id)).toEqual([id(2), id(2)])
    acknowledgeAll(stage, [2])
    await stage.clock.pass(200)
    expect(unsettledCount(stage.replica.space, 10)).toBe(0)
  })
})

describe('settling', () => {
  test('one entry for many (R10)', async () => {
    const stage = inheriting(50, { takeUpsPerWave: 50 })
    acknowledgeAll(stage, range(1, 50))
    await stage.clock.pass(defaultSettings.settleDelayMs)
    expect(stage.proposals('settled').map(({ ids }) => ids.length)).toEqual([50])
    expect(stage.events).toContainEqual({ kind: 'settled', count: 50 })
  })

  test('a full entry goes at once', async () => {
    const stage = inheriting(maxSettledIds + 3, { takeUpsPerWave: 1_000, deliveryWindow: 1_000 })
    acknowledgeAll(stage, range(1, maxSettledIds + 3))
    expect(stage.proposals('settled').map(({ ids }) => ids.length)).toEqual([maxSettledIds])
    await stage.clock.pass(defaultSettings.settleDelayMs)
    expect(stage.proposals('settled').map(({ ids }) => ids.length)).toEqual([maxSettledIds, 3])
  })

  test('is tried again when the log did not take it', async () => {
    const stage = inheriting(1)
    stage.replica.refusal = new Error('The log is overloaded.')
    acknowledgeAll(stage, [1])
    await stage.clock.pass(defaultSettings.settleDelayMs)
    expect(unsettledCount(stage.replica.space, 10)).toBe(1)
    stage.replica.refusal = undefined
    await stage.clock.pass(defaultSettings.settleDelayMs)
    expect(unsettledCount(stage.replica.space, 10)).toBe(0)
  })

  test.each([
    ['of another list', ack(p, 1, { digest: sealed(id(2), list).digest })],
    ['of the other outcome', ack(p, 1, { applied: 'aborted' })],
    ['of an unknown transaction', ack(p, 99)],
  ])('an acknowledgement %s settles nothing', async (_, acknowledgement) => {
    const stage = inheriting(1)
    stage.speak(q, ack(q))
    stage.speak(p, acknowledgement)
    await stage.clock.pass(1_000)
    expect(stage.proposals('settled')).toEqual([])
  })
})

describe('whoever waits until all have applied', () => {
  test('is told by the last acknowledgement, once', async () => {
    const stage = Stage.leading()
    const request = await patient(stage)
    expect(stage.decided(request)).toEqual([])
    stage.speak(p, ack(p))
    expect(stage.decided(request)).toEqual([])
    stage.speak(q, ack(q))
    expect(stage.decided(request)).toEqual([{ kind: 'committed', applied: true, hazards: [] }])
  })

  test('is told at once when they had already', async () => {
    const stage = Stage.leading()
    await patient(stage)
    acknowledgeAll(stage, [1])
    const again = await patient(stage)
    expect(stage.decided(again)).toEqual([{ kind: 'committed', applied: true, hazards: [] }])
  })

  test('waits also for what an earlier leader left and this one has not come to yet', async () => {
    const stage = inheriting(3, { takeUpsPerWave: 1 })
    const { digest } = sealed(id(3), list)
    const request = stage.ask({ type: 'commit', id: id(3), list, digest, leftMs: 1, wait: 'applied' })
    expect(stage.decided(request)).toEqual([])
    acknowledgeAll(stage, [3])
    expect(stage.decided(request)).toEqual([{ kind: 'committed', applied: true, hazards: [] }])
  })

  test('waits once, however often it asks, and gives way to newer ones', async () => {
    const stage = Stage.leading({ maxWaiters: 2 })
    const { digest } = sealed(id(1), list)
    await patient(stage)
    const commit = { type: 'commit', id: id(1), list, digest, leftMs: 1, wait: 'applied' } as const
    for (const request of [60, 61, 61, 62]) stage.ask(commit, { request })
    acknowledgeAll(stage, [1])
    expect([60, 61, 62].map((request) => stage.decided(request).length)).toEqual([0, 1, 1])
  })

  test('hears of a hazard instead, and that is no success (R16)', async () => {
    const stage = Stage.leading()
    const request = await patient(stage)
    stage.speak(p, ack(p))
    stage.speak(q, hazard())
    await settled()
    const hazards = [{ participant: q, kind: 'effects-lost', note: 'gone' }]
    expect(stage.decided(request)).toEqual([{ kind: 'committed', applied: false, hazards }])
    expect(stage.events).toContainEqual({ kind: 'hazard', id: id(1), hazard: hazards[0] })
    const again = await patient(stage)
    expect(stage.decided(again)).toEqual([{ kind: 'committed', applied: false, hazards }])
  })
})

describe('hazards', () => {
  test('keep a record unsettled though all acknowledge', async () => {
    const stage = inheriting(1)
    stage.speak(p, hazard())
    acknowledgeAll(stage, [1])
    await stage.clock.pass(10_000)
    expect(recordOf(stage.replica.space, id(1))).toMatchObject({ settled: false, hazards: [{ participant: p }] })
  })

  test.each([
    ['of another list', hazard(1, { digest: sealed(id(2), list).digest })],
    ['that cannot meet this outcome', hazard(2)],
    ['of an unknown transaction', hazard(9)],
  ])('a report %s costs no entry', async (_, report) => {
    const stage = inheriting(1)
    stage.replica.record(decision(id(2), 'aborted'))
    stage.speak(p, report)
    await settled()
    expect(stage.proposals('hazard')).toEqual([])
  })

  test('the same report again costs no entry', async () => {
    const stage = inheriting(1)
    for (let times = 0; times < 3; times += 1) {
      stage.speak(p, hazard())
      await settled()
    }
    expect(stage.proposals('hazard')).toHaveLength(1)
  })

  test('an aborted record that met a committed row is told again', async () => {
    const stage = Stage.leading({}, ({ replica }) => {
      const over = decision(id(1), 'aborted')
      replica.record({ ...over, branches: over.branches.map((branch) => ({ ...branch, vote: 'prepared' })) })
    })
    stage.speak(q, ack(q, 1, { applied: 'aborted' }))
    stage.speak(p, ack(p, 1, { applied: 'aborted' }))
    await stage.clock.pass(1_000)
    expect(recordOf(stage.replica.space, id(1))).toMatchObject({ settled: true })
    told(stage)
    stage.speak(p, hazard(1, { kind: 'aborted-met-committed' }))
    await settled()
    expect(told(stage)).toHaveLength(2)
    expect(unsettledCount(stage.replica.space, 10)).toBe(1)
  })
})

test('a leader that stopped says nothing, sets no timer and leaves no promise unhandled', async () => {
  const stage = inheriting(3)
  const waiting = await patient(stage)
  stage.replica.held = true
  acknowledgeAll(stage, [2])
  await stage.clock.pass(defaultSettings.settleDelayMs)
  const undecided = await commitOf(stage, 5)
  stage.leader.stop()
  stage.bus.sent.splice(0)
  stage.replica.release()
  await settled()
  expect(stage.clock.pending).toBe(0)
  expect(stage.bus.sent).toEqual([])
  expect([stage.decided(waiting), stage.decided(undecided)]).toEqual([[], []])
})

test('a leader whose proposals are lost as it stops does not try again', async () => {
  const stage = inheriting(1)
  stage.replica.held = true
  acknowledgeAll(stage, [1])
  await stage.clock.pass(defaultSettings.settleDelayMs)
  await commitOf(stage, 5)
  stage.leader.stop()
  stage.bus.sent.splice(0)
  stage.replica.refusal = new Error('Leadership is lost.')
  stage.replica.release()
  await settled()
  expect([stage.clock.pending, stage.bus.sent]).toEqual([0, []])
})
