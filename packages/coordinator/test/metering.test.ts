import type { HazardReport } from '@verdict/protocol'
import { maxLabelValues } from '@verdict/protocol/telemetry'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Recorded } from '../../../test/telemetry/recorded.ts'
import { CoordinatorMetering } from '../src/metering.ts'
import { calledList, id, instance, p, participant, prepared, q, readOnly, refused, sealed } from './samples.ts'
import { replicaId, Stage, settled } from './stage.ts'
import { abort, commit, held, vote, voteAll } from './traced.ts'

const here = { 'verdict.replica': replicaId }

let recorded: Recorded
beforeEach(() => {
  recorded = new Recorded()
})
afterEach(() => recorded[Symbol.dispose]())

/** The values of a metric by their attributes, beside the replica's. */
async function counted(name: string): Promise<unknown[]> {
  return (await recorded.points(name)).map(({ attributes: { 'verdict.replica': replica, ...rest }, value }) => {
    expect(replica).toBe(replicaId)
    return [rest, value]
  })
}

test('votes are counted by participant and kind, and what they refuse for by the codes that the protocol knows', async () => {
  const stage = Stage.leading()
  stage.ask(commit(1))
  vote(stage, p)
  vote(stage, q, { kind: 'busy', instance: instance(q), found: 'underway' })
  vote(stage, q, refused(q, 'lock-timeout'))
  stage.ask(commit(2))
  vote(stage, p, prepared(p), 2)
  vote(stage, q, refused(q, 'insufficient-funds'), 2)
  vote(stage, q, refused(q), 9)
  expect(await counted('verdict.coordinator.votes')).toEqual([
    [{ 'verdict.participant': p, 'verdict.vote': 'prepared' }, 2],
    [{ 'verdict.participant': q, 'verdict.vote': 'busy' }, 1],
    [{ 'verdict.participant': q, 'verdict.vote': 'refused', 'error.type': 'lock-timeout' }, 1],
    [{ 'verdict.participant': q, 'verdict.vote': 'refused', 'error.type': '_OTHER' }, 1],
  ])
})

test('decisions are counted by outcome and cause, and what its owner waited for them is measured', async () => {
  const stage = Stage.leading()
  stage.ask(commit(1))
  await stage.clock.pass(10)
  stage.ask(commit(1))
  await stage.clock.pass(10)
  await voteAll(stage)
  stage.ask(commit(2))
  vote(stage, q, refused(q), 2)
  await settled()
  stage.ask(commit(3))
  for (const of of [p, q]) vote(stage, of, readOnly(of), 3)
  stage.speak(p, { type: 'inquiry', instance: instance(p), branches: [held(4)] })
  await voteAll(stage, 4)
  stage.ask(abort(5))
  await settled()
  expect(await counted('verdict.coordinator.decisions')).toEqual([
    [{ 'verdict.outcome': 'committed' }, 2],
    [{ 'verdict.outcome': 'aborted', 'error.type': '_OTHER' }, 1],
    [{ 'verdict.outcome': 'aborted', 'error.type': 'client-aborted' }, 1],
  ])
  const durations = await counted('verdict.coordinator.commit.duration')
  expect(durations).toMatchObject([
    [
      { 'verdict.outcome': 'committed', 'verdict.path': 'logged', 'verdict.mode': 'interactive' },
      { count: 1, sum: 0.02 },
    ],
    [
      { 'verdict.outcome': 'aborted', 'verdict.path': 'logged' },
      { count: 1, sum: 0 },
    ],
    [
      { 'verdict.outcome': 'committed', 'verdict.path': 'read-only' },
      { count: 1, sum: 0 },
    ],
  ])
})

test('hazards are counted, once each', async () => {
  const stage = Stage.leading()
  stage.ask(commit(1))
  await voteAll(stage)
  const { digest } = sealed(id(1), calledList(p, q))
  const report: HazardReport = { type: 'hazard', id: id(1), digest, kind: 'effects-lost', note: 'gone' }
  for (let times = 0; times < 2; times += 1) {
    stage.speak(p, report)
    await settled()
  }
  expect(await counted('verdict.coordinator.hazards')).toEqual([
    [{ 'verdict.participant': p, 'verdict.hazard': 'effects-lost' }, 1],
  ])
})

test('what is refused for want of room is counted by the name of the bound, and nothing else is', async () => {
  const byNumber = Stage.leading({ maxUnderway: 1 })
  byNumber.ask(commit(1))
  byNumber.ask(commit(1))
  byNumber.ask(commit(2))
  byNumber.speak(p, { type: 'inquiry', instance: instance(p), branches: [held(1), held(3)] })
  const byBytes = Stage.leading({ maxUnderwayBytes: 1 })
  byBytes.ask(commit(1))
  byBytes.ask(commit(2))
  expect(await counted('verdict.limit.refusals')).toEqual([
    [{ 'verdict.limit': 'maxUnderway' }, 2],
    [{ 'verdict.limit': 'maxUnderwayBytes' }, 1],
  ])
})

test('participants beyond what a chart can show become one', async () => {
  const metering = new CoordinatorMetering(replicaId)
  for (let number = 0; number < 2 * maxLabelValues; number += 1) {
    const of = participant(`p${number}`)
    metering.voted(of, prepared(of))
    metering.hazard(of, 'effects-lost')
  }
  for (const name of ['verdict.coordinator.votes', 'verdict.coordinator.hazards']) {
    expect(await counted(name)).toHaveLength(maxLabelValues + 1)
  }
})

test('what is under way and in doubt is read at each collection, until that is ended', async () => {
  const metering = new CoordinatorMetering(replicaId)
  let reads = 0
  const end = metering.observe({
    underway: () => ++reads,
    inDoubt: () => 7,
    oldestInDoubtMs: () => 1_500,
    hazardous: () => 2,
    troubles: (kind) => (kind === 'failing' ? 3 : 0),
  })
  expect(await recorded.points('verdict.coordinator.underway')).toMatchObject([{ attributes: here, value: 1 }])
  expect(await counted('verdict.coordinator.in_doubt')).toEqual([[{}, 7]])
  expect(await counted('verdict.coordinator.in_doubt.age')).toEqual([[{}, 1.5]])
  expect(await counted('verdict.coordinator.hazards.open')).toEqual([[{}, 2]])
  expect(await counted('verdict.coordinator.troubles')).toContainEqual([{ 'verdict.trouble': 'failing' }, 3])
  expect(reads).toBe(5)
  end()
  await recorded.metrics()
  expect(reads).toBe(5)
})

test('ids are in no metric, however many went through', async () => {
  const stage = Stage.leading()
  for (let number = 1; number <= 50; number += 1) {
    const list = calledList(p, q)
    stage.ask(commit(number, { list, digest: sealed(id(number), list).digest }))
    for (const of of [p, q]) vote(stage, of, prepared(of), number, list)
  }
  await settled()
  const all = await recorded.metrics()
  const attributes = all.flatMap(({ dataPoints }) => dataPoints.map((point) => Object.keys(point.attributes)))
  expect(all.length).toBeGreaterThan(2)
  expect(attributes.flat()).not.toContain('verdict.transaction.id')
  expect(attributes.length).toBeLessThan(10)
})
