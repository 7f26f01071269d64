import {
  type HazardReport,
  type InquiryAnswer,
  ownerName,
  type TransactionId,
  type TroubleReport,
} from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { recordOf } from '../src/records.ts'
import { calledList, decision, foreignId, group, id, instance, p, prepared, q, s, sealed, token } from './samples.ts'
import { on, Stage, settled } from './stage.ts'

const list = calledList(p, q)
const ops = ownerName('ops')
const abort = { kind: 'abort', by: 'alice', because: 'orders is down for good' } as const
const resolve = { kind: 'resolve', participant: p, by: 'alice', because: 'written again by hand' } as const

function commitOf(stage: Stage, of: TransactionId = id(1)): number {
  return stage.ask({ type: 'commit', id: of, list, digest: sealed(of, list).digest, leftMs: 600_000, wait: 'decided' })
}

function hazard(kind: HazardReport['kind'] = 'effects-lost', of: TransactionId = id(1)): HazardReport {
  return { type: 'hazard', id: of, digest: sealed(of, list).digest, kind, note: 'gone' }
}

function committing(stage: Stage): void {
  stage.replica.record(decision(id(1), 'committed'))
}

describe('R16: a forced abort', () => {
  test('of what is under way is recorded with who and why, and told to owner, operator and participants', async () => {
    const stage = Stage.leading()
    const asked = commitOf(stage)
    const ordered = stage.order(id(1), abort, ops)
    await settled()
    expect(stage.decided(asked)).toMatchObject([
      { kind: 'aborted', reason: { code: 'operator-aborted', message: abort.because, retryable: false } },
    ])
    const actor = { kind: 'operator', by: 'alice', as: ops }
    expect(stage.answers(ordered)).toMatchObject([{ done: 'recorded', found: { outcome: 'aborted', actor } }])
    expect(stage.take('outcome').map(({ message }) => message.outcome)).toEqual(['aborted', 'aborted'])
    expect(recordOf(stage.replica.space, id(1))).toMatchObject({ actor, settled: false })
    expect(stage.events).toContainEqual({ kind: 'forced', id: id(1), outcome: 'aborted', by: 'alice', as: ops })
  })

  test('that meets a decision on its way to the log is told that decision', async () => {
    const stage = Stage.leading()
    stage.replica.held = true
    commitOf(stage)
    const { digest } = sealed(id(1), list)
    for (const of of [p, q]) stage.speak(of, { type: 'vote', id: id(1), digest, vote: prepared(of) })
    const ordered = stage.order(id(1), abort)
    stage.replica.release()
    await settled()
    expect(stage.answers(ordered)).toMatchObject([{ found: { outcome: 'committed', actor: { kind: 'owner' } } }])
    expect(stage.proposals('decide')).toHaveLength(1)
  })

  test('of what is decided changes nothing, and tells what stands', () => {
    const stage = Stage.leading({}, committing)
    const ordered = stage.order(id(1), abort)
    expect(stage.answers(ordered)).toMatchObject([{ done: 'recorded', found: { outcome: 'committed' } }])
    expect(stage.proposals('decide')).toEqual([])
  })

  test('of a kept id that nobody has asked to commit keeps it from ever being committed', async () => {
    const stage = Stage.leading()
    const kept = id(1, { mark: 'kept' })
    const ordered = stage.order(kept, abort)
    await settled()
    expect(stage.answers(ordered)).toMatchObject([{ done: 'recorded', found: { outcome: 'aborted', settled: true } }])
    const asked = commitOf(stage, kept)
    expect(stage.decided(asked)).toMatchObject([{ kind: 'aborted', reason: { code: 'operator-aborted' } }])
    expect(stage.take('prepare')).toEqual([])
  })

  test('of any other id that nobody has asked to commit records nothing: its participant alone may have decided it', async () => {
    const stage = Stage.leading()
    stage.replica.unconfirmed = true
    const ordered = stage.order(id(1), abort)
    await settled()
    expect(stage.answers(ordered)).toEqual([])
    stage.replica.confirm()
    await settled()
    expect(stage.answers(ordered)).toMatchObject([{ done: 'nothing', found: { kind: 'none' } }])
    expect(stage.replica.proposed).toEqual([])
  })

  test('of what a holder asked about, with a list or without, is recorded for the branch that is known', async () => {
    const stage = Stage.leading()
    const { digest } = sealed(id(1), list)
    stage.speak(p, { type: 'inquiry', instance: instance(p), branches: [{ id: id(1), digest, token: token(p) }] })
    stage.order(id(1), abort)
    await settled()
    expect(recordOf(stage.replica.space, id(1))).toMatchObject({
      digest,
      branches: [{ participant: p, vote: 'unknown' }],
      actor: { kind: 'operator' },
    })
  })

  test('of another group’s transaction, and what is no order, is refused', () => {
    const stage = Stage.leading()
    expect(stage.answers(stage.order(foreignId(1), abort))).toMatchObject([{ type: 'failure' }])
    const look = stage.ask(
      { type: 'look', ids: [id(1)] },
      { subject: on.operate(group, ops), inbox: on.inbox(ops, 'a'.repeat(20) as never) },
    )
    expect(stage.answers(look)).toMatchObject([{ type: 'failure' }])
    expect(stage.replica.proposed).toEqual([])
  })

  test('is heard on its own subject only: who may commit may not force', () => {
    const stage = Stage.leading()
    const message = { type: 'operate', id: id(1), order: abort } as const
    expect(stage.answers(stage.ask(message))).toMatchObject([{ type: 'failure' }])
    expect(stage.replica.proposed).toEqual([])
  })
})

describe('R16: a resolution', () => {
  test('of a hazard is recorded with who, why and when, and settles what nobody else is waited for', async () => {
    const stage = Stage.leading({}, committing)
    stage.speak(q, {
      type: 'ack',
      id: id(1),
      digest: sealed(id(1), list).digest,
      instance: instance(q),
      applied: 'committed',
    })
    stage.speak(p, hazard())
    await settled()
    const ordered = stage.order(id(1), resolve, ops)
    await settled()
    const resolved = { by: 'alice', as: ops, because: resolve.because, atMs: expect.any(Number) }
    expect(stage.answers(ordered)).toMatchObject([
      {
        done: 'recorded',
        found: { outcome: 'committed', hazards: [{ participant: p, kind: 'effects-lost', resolved }] },
      },
    ])
    await stage.clock.pass(1_000)
    expect(recordOf(stage.replica.space, id(1))).toMatchObject({ outcome: 'committed', settled: true })
    expect(stage.events).toContainEqual({ kind: 'resolved', id: id(1), participant: p, by: 'alice', as: ops })
  })

  test('of a branch that never acknowledged ends the waiting for it', async () => {
    const stage = Stage.leading({}, committing)
    stage.speak(q, {
      type: 'ack',
      id: id(1),
      digest: sealed(id(1), list).digest,
      instance: instance(q),
      applied: 'committed',
    })
    stage.order(id(1), resolve)
    await stage.clock.pass(1_000)
    expect(recordOf(stage.replica.space, id(1))).toMatchObject({
      settled: true,
      hazards: [{ kind: 'never-acknowledged' }],
    })
    stage.take('outcome')
    await stage.clock.pass(60_000)
    expect(stage.take('outcome')).toEqual([])
  })

  test('given twice is one, also when the first is still on its way to the log', async () => {
    const stage = Stage.leading({}, committing)
    stage.replica.held = true
    const requests = [stage.order(id(1), resolve), stage.order(id(1), { ...resolve, by: 'bob' })]
    stage.replica.release()
    await settled()
    requests.push(stage.order(id(1), resolve))
    await settled()
    for (const request of requests) {
      expect(stage.answers(request)).toMatchObject([
        { done: 'recorded', found: { hazards: [{ kind: 'never-acknowledged', resolved: { by: 'alice' } }] } },
      ])
    }
  })

  test.each([
    ['a transaction that is not decided', id(2), p],
    ['a participant that is not in it', id(1), s],
  ] as const)('of %s is none', async (_, of, participant) => {
    const stage = Stage.leading({}, committing)
    const ordered = stage.order(of, { ...resolve, participant })
    await settled()
    expect(stage.answers(ordered)).toMatchObject([{ done: 'nothing' }])
    expect(stage.proposals('resolve')).toEqual([])
  })

  test('a leader to come settles what was resolved before it', async () => {
    const stage = Stage.leading({}, committing)
    stage.order(id(1), resolve)
    stage.order(id(1), { ...resolve, participant: q })
    await settled()
    stage.leader.stop()
    const next = Stage.leading({}, undefined, stage.replica)
    expect(next.take('outcome')).toEqual([])
    await next.clock.pass(1_000)
    expect(recordOf(stage.replica.space, id(1))?.settled).toBe(true)
  })
})

describe('R13, R16: a branch in quarantine', () => {
  const report = (kind: TroubleReport['branches'][number]['kind']): TroubleReport => {
    return { type: 'trouble', branches: [{ id: id(1), kind, note: 'another store', ageMs: 5 }] }
  }
  const inquire = async (
    stage: Stage,
    digest = sealed(id(1), calledList(p)).digest,
  ): Promise<InquiryAnswer['answers']> => {
    stage.speak(p, { type: 'inquiry', instance: instance(p), branches: [{ id: id(1), digest, token: token(p) }] })
    await settled()
    return stage.take('inquiryAnswer').flatMap(({ message }) => message.answers)
  }

  test('is let go of once an operator says so, and only if its participant has said that it holds it', async () => {
    const stage = Stage.leading({}, committing)
    stage.speak(q, report('quarantined'))
    stage.speak(p, report('failing'))
    for (const of of [p, q]) {
      stage.speak(of, {
        type: 'ack',
        id: id(1),
        digest: sealed(id(1), list).digest,
        instance: instance(of),
        applied: 'committed',
      })
    }
    await stage.clock.pass(1_000)
    expect(stage.answers(stage.order(id(1), resolve))).toEqual([])
    await settled()
    expect(await inquire(stage)).toMatchObject([{ answer: 'discard' }])
    stage.speak(p, report('quarantined'))
    const ordered = stage.order(id(1), resolve)
    await settled()
    expect(stage.answers(ordered)).toMatchObject([{ done: 'released', found: { outcome: 'committed' } }])
    expect(await inquire(stage)).toMatchObject([{ answer: 'released' }])
    expect(await inquire(stage, sealed(id(1), list).digest)).toMatchObject([{ answer: 'committed' }])
    const again = stage.order(id(1), resolve)
    expect(stage.answers(again)).toMatchObject([{ done: 'released' }])
    expect(stage.proposals('release')).toHaveLength(1)
  })
})

describe('R16: a retry', () => {
  test('tells now whom the transaction waits for, and decides nothing', async () => {
    const stage = Stage.leading({}, committing)
    await stage.clock.pass(20_000)
    stage.take('outcome')
    const ordered = stage.order(id(1), { kind: 'retry' })
    await settled()
    expect(stage.take('outcome')).toHaveLength(2)
    expect(stage.answers(ordered)).toMatchObject([{ done: 'tried', found: { settled: false } }])
    expect(stage.replica.proposed.filter(({ kind }) => kind !== 'advance')).toEqual([])
  })

  test('lets holders of an unknown transaction ask now', async () => {
    const stage = Stage.leading()
    stage.take('announce')
    const ordered = stage.order(id(1), { kind: 'retry' })
    await settled()
    expect(stage.take('announce')).toHaveLength(1)
    expect(stage.answers(ordered)).toMatchObject([{ done: 'tried', found: { kind: 'none' } }])
  })
})
