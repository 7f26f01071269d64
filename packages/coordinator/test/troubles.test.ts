import type { TransactionId, TroubleReport } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { recordOf } from '../src/records.ts'
import { calledList, decision, foreignId, id, instance, p, prepared, q, sealed } from './samples.ts'
import { ScriptedReplica, Stage, settled } from './stage.ts'

const list = calledList(p, q)

function commitOf(stage: Stage, of: TransactionId): number {
  return stage.ask({ type: 'commit', id: of, list, digest: sealed(of, list).digest, leftMs: 10_000, wait: 'decided' })
}

function voteFor(stage: Stage, of: TransactionId): void {
  const { digest } = sealed(of, list)
  for (const by of [p, q]) stage.speak(by, { type: 'vote', id: of, digest, vote: prepared(by) })
}

/** A replica on which nothing can be read of one transaction. */
function spoilt(of: TransactionId): ScriptedReplica & { mended: boolean } {
  const replica = Object.assign(new ScriptedReplica(), { mended: false })
  const get = replica.space.get.bind(replica.space)
  replica.space.get = (key) => {
    if (!replica.mended && key === `record/${of}`) throw new Error('this record cannot be read')
    return get(key)
  }
  return replica
}

const report = (of: TransactionId, kind: TroubleReport['branches'][number]['kind'] = 'failing'): TroubleReport => {
  return { type: 'trouble', branches: [{ id: of, kind, note: 'the disk is full', ageMs: 30_000 }] }
}

describe('R16: what participants cannot end', () => {
  test('is shown, and an alarm is raised once', async () => {
    const stage = Stage.leading()
    stage.speak(p, report(id(1)))
    await stage.clock.pass(10_000)
    stage.speak(p, report(id(1)))
    stage.speak(q, report(id(2), 'overdue'))
    expect(stage.leader.troubles.list(9)).toEqual([
      { id: id(1), participant: p, kind: 'failing', note: 'the disk is full', ageMs: 40_000 },
      { id: id(2), participant: q, kind: 'overdue', note: 'the disk is full', ageMs: 30_000 },
    ])
    expect(stage.events.filter(({ kind }) => kind === 'trouble')).toHaveLength(2)
  })

  test('is shown no longer once it is not said any more, or acknowledged', async () => {
    const stage = Stage.leading()
    stage.speak(p, report(id(1)))
    stage.speak(q, report(id(1)))
    stage.speak(q, {
      type: 'ack',
      id: id(1),
      digest: sealed(id(1), list).digest,
      instance: instance(q),
      applied: 'committed',
    })
    expect(stage.leader.troubles.list(9)).toMatchObject([{ participant: p }])
    await stage.clock.pass(60_000)
    expect(stage.leader.troubles.list(9)).toEqual([])
    expect(stage.leader.troubles.count('failing')).toBe(0)
  })

  test('of another group is not heard, and of too many the oldest is forgotten', () => {
    const stage = Stage.leading({ maxTroubles: 2 })
    for (const of of [foreignId(1), id(1), id(2), id(3)]) stage.speak(p, report(of))
    expect(stage.leader.troubles.list(9).map((trouble) => trouble.id)).toEqual([id(2), id(3)])
  })
})

describe('R16: a transaction whose handling throws', () => {
  test('stops nobody: others commit, it is shown, and left alone until a pause is over', async () => {
    const replica = spoilt(id(1))
    const stage = Stage.leading({}, undefined, replica)
    commitOf(stage, id(1))
    const other = commitOf(stage, id(2))
    voteFor(stage, id(2))
    await settled()
    expect(stage.decided(other)).toMatchObject([{ kind: 'committed' }])
    expect(stage.leader.troubles.list(9)).toMatchObject([
      { id: id(1), kind: 'poisoned', note: 'this record cannot be read' },
    ])
    expect(stage.events).toContainEqual({ kind: 'poisoned', id: id(1), error: expect.any(Error) })

    replica.mended = true
    commitOf(stage, id(1))
    expect(stage.take('prepare').filter(({ message }) => message.id === id(1))).toEqual([])
    await stage.clock.pass(30_000)
    const later = commitOf(stage, id(1))
    voteFor(stage, id(1))
    await settled()
    expect(stage.decided(later)).toMatchObject([{ kind: 'committed' }])
  })

  test('does not spoil the inquiry that asks about others too', () => {
    const stage = Stage.leading({}, ({ replica }) => replica.record(decision(id(2), 'aborted')), spoilt(id(1)))
    const branches = [1, 2].map((number) => {
      const { digest } = sealed(id(number), list)
      return { id: id(number), digest, token: 'a'.repeat(20) as never }
    })
    stage.speak(p, { type: 'inquiry', instance: instance(p), branches })
    expect(stage.take('inquiryAnswer').map(({ message }) => message.answers)).toMatchObject([
      [{ id: id(2), answer: 'aborted' }],
    ])
  })

  test('in a timer is tried again after the pause', async () => {
    const replica = spoilt(id(1))
    replica.mended = true
    const stage = Stage.leading({}, undefined, replica)
    const request = commitOf(stage, id(1))
    const publish = stage.bus.publish.bind(stage.bus)
    let throws = true
    stage.bus.publish = (...args) => {
      if (throws) throw new Error('the bus does not like it')
      publish(...args)
    }
    await stage.clock.pass(600)
    expect(stage.events.filter(({ kind }) => kind === 'poisoned')).toHaveLength(1)
    throws = false
    await stage.clock.pass(29_000)
    expect(stage.take('prepare')).toHaveLength(2)
    await stage.clock.pass(2_000)
    expect(stage.decided(request)).toMatchObject([{ kind: 'aborted', reason: { code: 'budget-spent' } }])
  })

  test('is tried at once when an operator wants it', () => {
    const replica = spoilt(id(1))
    const stage = Stage.leading({}, undefined, replica)
    commitOf(stage, id(1))
    replica.mended = true
    stage.order(id(1), { kind: 'retry' })
    stage.take('prepare')
    commitOf(stage, id(1))
    expect(stage.take('prepare')).toHaveLength(2)
  })
})

test('R16: the oldest unsettled transaction raises an alarm at the age limit, and whenever it has doubled', async () => {
  const stage = Stage.leading({ alarmAfterMs: 60_000, epochMs: 10_000 }, ({ clock, replica }) => {
    replica.record({ ...decision(id(1), 'committed'), decidedAtMs: Math.round(clock.wallMs()) })
  })
  await stage.clock.pass(300_000)
  const ages = stage.events.flatMap((event) => (event.kind === 'overdue' ? [event.ageMs] : []))
  expect(ages).toEqual([60_000, 120_000, 240_000])
  expect(recordOf(stage.replica.space, id(1))).toMatchObject({ outcome: 'committed', settled: false })
})
