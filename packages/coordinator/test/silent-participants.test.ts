import { type Ack, type Commit, type ParticipantName, reasonCodes, sealList } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { unsettledCount } from '../src/records.ts'
import { defaultSettings } from '../src/settings.ts'
import { calledList, decision, id, instance, oneShot, p, prepared, q, s, sealed } from './samples.ts'
import { Stage, settled } from './stage.ts'

// p is silent, q and s are well.
const sick = calledList(p, q)
const well = calledList(q, s)
const window = 4

function ack(of: ParticipantName, number: number, list = sick): Ack {
  const { digest } = sealed(id(number), list)
  return { type: 'ack', id: id(number), digest, instance: instance(of), applied: 'committed' }
}

function commit(number: number, list = sick): Commit {
  const { digest } = sealed(id(number), list)
  return { type: 'commit', id: id(number), list, digest, leftMs: 10_000, wait: 'decided' }
}

function vote(stage: Stage, of: ParticipantName, number: number, list = sick): void {
  const { digest } = sealed(id(number), list)
  stage.speak(of, { type: 'vote', id: id(number), digest, vote: prepared(of) })
}

/** A transaction that is decided, and that all but p have acknowledged. */
async function decide(stage: Stage, number: number, list = sick): Promise<void> {
  stage.ask(commit(number, list))
  for (const { participant } of list) vote(stage, participant, number, list)
  await settled()
  for (const { participant } of list) if (participant !== p) stage.speak(participant, ack(participant, number, list))
}

/** The transactions whose outcome a participant was told since the last time. */
function told(stage: Stage, of: ParticipantName): string[] {
  return stage
    .take('outcome')
    .filter(({ subject }) => subject.includes(`.${of}`))
    .map(({ message }) => message.id)
}

/** A leader that finds so many transactions decided and unsettled. */
function inheriting(count: number, settings: Parameters<typeof Stage.leading>[0] = {}): Stage {
  return Stage.leading({ deliveryWindow: window, ...settings }, ({ replica }) => {
    for (let number = 1; number <= count; number += 1) replica.record(decision(id(number), 'committed', sick))
  })
}

describe('outcomes for a participant that is silent', () => {
  test('are told once each, and then a window of them in each of the longest pauses, all in turn', async () => {
    const stage = Stage.leading({ deliveryWindow: window })
    for (let number = 1; number <= 20; number += 1) await decide(stage, number)
    expect(told(stage, p)).toHaveLength(20)
    await stage.clock.pass(defaultSettings.maxResendMs)
    told(stage, p)
    const pauses = 20 / window
    const later: string[] = []
    for (let pause = 0; pause < pauses; pause += 1) {
      await stage.clock.pass(defaultSettings.maxResendMs)
      const now = told(stage, p)
      expect(now.length).toBeLessThanOrEqual(window)
      later.push(...now)
    }
    expect(new Set(later).size).toBeGreaterThan(3 * window)
  })

  test('take no place in memory from those of others', async () => {
    const stage = Stage.leading({ deliveryWindow: window, maxDelivering: 3 * window })
    for (let number = 1; number <= 50; number += 1) await decide(stage, number)
    await stage.clock.pass(2_000)
    await decide(stage, 99, well)
    await stage.clock.pass(200)
    expect(unsettledCount(stage.replica.space, 100)).toBe(50)
    expect(stage.leader.unsettled).toBe(50)
  })

  test('are not told to those that have acknowledged, and reach it as fast as it acknowledges when it is back', async () => {
    const stage = Stage.leading({ deliveryWindow: window })
    for (let number = 1; number <= 30; number += 1) await decide(stage, number)
    await stage.clock.pass(20_000)
    stage.take('outcome')
    const seen = new Set<string>()
    for (let turn = 0; turn < 600 && unsettledCount(stage.replica.space, 1) > 0; turn += 1) {
      await stage.clock.pass(20)
      for (const { subject, message } of stage.take('outcome')) {
        expect(subject).toContain(p)
        seen.add(message.id)
      }
      for (let number = 1; number <= 30; number += 1) if (seen.has(id(number))) stage.speak(p, ack(p, number))
    }
    expect(unsettledCount(stage.replica.space, 100)).toBe(0)
    expect(seen.size).toBe(30)
  })

  test('that are never acknowledged do not keep back the others', async () => {
    const stage = Stage.leading({ deliveryWindow: window })
    for (let number = 1; number <= 20; number += 1) await decide(stage, number)
    // As with hazards: as many as fit into the window stay without an acknowledgement for ever.
    for (let turn = 0; turn < 60; turn += 1) {
      await stage.clock.pass(1_000)
      const now = new Set(stage.take('outcome').map(({ message }) => message.id))
      for (let number = window + 1; number <= 20; number += 1) if (now.has(id(number))) stage.speak(p, ack(p, number))
    }
    expect(unsettledCount(stage.replica.space, 100)).toBe(window)
  })

  test('of earlier leaders are held back, while the others that they concern are told', async () => {
    const stage = inheriting(20)
    const first = stage.take('outcome')
    expect(first.filter(({ subject }) => subject.includes(`.${p}`))).toHaveLength(window)
    expect(first.filter(({ subject }) => subject.includes(`.${q}`))).toHaveLength(window)
    const toldQ = new Set(first.map(({ message }) => message.id))
    let toldP = window
    for (let turn = 0; turn < 40; turn += 1) {
      for (let number = 1; number <= 20; number += 1) if (toldQ.has(id(number))) stage.speak(q, ack(q, number))
      await stage.clock.pass(20)
      const now = stage.take('outcome')
      toldP += now.filter(({ subject }) => subject.includes(`.${p}`)).length
      for (const { subject, message } of now) if (subject.includes(`.${q}`)) toldQ.add(message.id)
    }
    expect(toldQ.size).toBe(20)
    expect(toldP).toBeLessThanOrEqual(2 * window)
  })

  test('whoever waits until all have applied is told that it is committed, and asks again', async () => {
    const stage = Stage.leading({ deliveryWindow: 1 })
    for (let number = 1; number <= 5; number += 1) await decide(stage, number)
    const request = stage.ask({ ...commit(6), wait: 'applied' })
    for (const of of [p, q]) vote(stage, of, 6)
    await settled()
    stage.speak(q, ack(q, 6))
    expect(stage.decided(request)).toEqual([])
    await stage.clock.pass(1_000)
    expect(stage.decided(request)).toEqual([{ kind: 'committed', applied: false, hazards: [] }])
    stage.take('outcome')
    stage.ask({ ...commit(6), wait: 'applied' })
    expect(stage.take('outcome')).toEqual([])
  })
})

describe('votes of a participant that is silent', () => {
  const settings = { maxAwaitedVotes: 2, maxUnderway: 100 }
  const refusal = { kind: 'refused', reason: { code: reasonCodes.overloaded, retryable: true } }

  test('are awaited by so many transactions; more with it are refused, by its name, and those of others are not', () => {
    const stage = Stage.leading(settings)
    for (const number of [1, 2]) stage.ask(commit(number))
    for (const number of [1, 2]) vote(stage, q, number)
    const [more, other] = [stage.ask(commit(3)), stage.ask(commit(4, well))]
    expect(stage.decided(more)).toMatchObject([refusal])
    expect(JSON.stringify(stage.decided(more))).toContain(p)
    expect(stage.decided(other)).toEqual([])
    expect(stage.leader.underway).toBe(3)
  })

  test('leave their places when they come, and when the budget is spent', async () => {
    const stage = Stage.leading(settings)
    for (const number of [1, 2]) stage.ask(commit(number))
    for (const number of [1, 2]) vote(stage, q, number)
    vote(stage, p, 1)
    await settled()
    expect(stage.decided(stage.ask(commit(3)))).toEqual([])
    await stage.clock.pass(10_000)
    expect(stage.leader.underway).toBe(0)
    for (const number of [5, 6]) expect(stage.decided(stage.ask(commit(number)))).toEqual([])
    expect(stage.decided(stage.ask(commit(7)))).toMatchObject([refusal])
  })

  test('hold no more than a quarter of the memory for requests', () => {
    const stage = Stage.leading({ maxUnderwayBytes: 4_000 })
    let begun = 0
    while (stage.decided(stage.ask(commit(begun + 1))).length === 0 && begun < 50) {
      vote(stage, q, begun + 1)
      begun += 1
    }
    expect(begun).toBeLessThan(10)
    expect(stage.decided(stage.ask(commit(99, well)))).toEqual([])
  })
})

test('prepares of an ordered one-shot go out one after another, each when the one before has voted (R7)', async () => {
  const stage = Stage.leading()
  const list = sealList([oneShot(p), oneShot(q), oneShot(s)])
  const { digest, operations = [] } = sealed(id(1), list)
  const asked = { type: 'commit', id: id(1), list, digest, operations, leftMs: 10_000, wait: 'decided' } as const
  const request = stage.ask({ ...asked, ordered: true, isolation: 'serializable', ageMs: 700 })
  const next = (): unknown[] =>
    stage.take('prepare').map(({ subject, message }) => [subject.split('.').at(-1), message.isolation, message.ageMs])
  expect(next()).toEqual([[p, 'serializable', 700]])
  await stage.clock.pass(defaultSettings.resendMs)
  expect(next()).toEqual([[p, 'serializable', 1_200]])
  vote(stage, p, 1, list)
  expect(next()).toEqual([[q, 'serializable', 1_200]])
  vote(stage, q, 1, list)
  expect(next()).toEqual([[s, 'serializable', 1_200]])
  vote(stage, s, 1, list)
  await settled()
  expect(stage.decided(request)).toMatchObject([{ kind: 'committed' }])
})
