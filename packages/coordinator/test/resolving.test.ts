import type { Decision, TransactionId } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { isMoreToForget } from '../src/forgetting.ts'
import { hazardous, hazardousCount, recordOf, speaksOf } from '../src/records.ts'
import { isReleased } from '../src/releases.ts'
import { Log, resolution } from './log.ts'
import { decision, id, otherDigest, owner, p, q, s } from './samples.ts'

const operator = { kind: 'operator', by: 'alice', as: owner } as const

describe('R16: what operators decide', () => {
  const abortOfAll = (of: TransactionId): Decision => ({
    ...decision(of, 'aborted'),
    digest: otherDigest(of),
    branches: [],
    actor: operator,
  })

  test.each(['committed', 'aborted'] as const)('an abort loses against a record that says %s', (outcome) => {
    const log = new Log()
    const standing = log.decide(decision(id(1), outcome))
    const hash = log.space.hash()
    expect(log.decide({ ...decision(id(1), 'aborted'), actor: operator })).toEqual(standing)
    expect(log.space.hash()).toBe(hash)
  })

  test('an abort that names no branch is of every list, and settled at once', () => {
    const log = new Log()
    const kept = id(1, { mark: 'kept' })
    const applied = log.decide(abortOfAll(kept))
    expect(applied).toMatchObject({ kind: 'recorded', record: { outcome: 'aborted', settled: true, actor: operator } })
    const record = recordOf(log.space, kept)
    expect(record && speaksOf(record, decision(kept, 'committed').digest)).toBe(true)
    expect(log.decide(decision(kept, 'committed'))).toEqual(applied)
  })

  test('but only of a kept id: any other may be decided without the group', () => {
    expect(new Log().decide(abortOfAll(id(1)))).toMatchObject({ kind: 'malformed' })
  })

  test('and only by an operator, and never a commit', () => {
    const kept = id(1, { mark: 'kept' })
    const byOwner: Decision = { ...abortOfAll(kept), actor: { kind: 'owner' } }
    expect(new Log().decide(byOwner)).toMatchObject({ kind: 'malformed' })
    expect(new Log().decide({ ...abortOfAll(kept), outcome: 'committed' })).toMatchObject({ kind: 'malformed' })
  })

  test('a resolution ends the alarm and lets the record settle, and leaves the outcome as it is', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.hazard(id(1), 'effects-lost')
    log.hazard(id(1), 'effects-lost', q)
    expect(log.resolve(id(1))).toMatchObject({
      record: {
        outcome: 'committed',
        settled: false,
        hazards: [{ participant: p, resolved: resolution }, { participant: q }],
      },
    })
    log.apply({ kind: 'settled', ids: [id(1)] })
    expect(log.unsettledIds()).toEqual([id(1)])
    expect(hazardous(log.space, 9).map((record) => record.id)).toEqual([id(1)])
    log.resolve(id(1), q)
    expect(hazardousCount(log.space, 9)).toBe(0)
    log.apply({ kind: 'settled', ids: [id(1)] })
    expect(log.unsettledIds()).toEqual([])
  })

  test('the first resolution of a hazard stands; the same report again is no new alarm, another one is', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.hazard(id(1), 'effects-lost')
    log.resolve(id(1))
    const hash = log.space.hash()
    log.resolve(id(1), p, 'bob')
    log.hazard(id(1), 'effects-lost')
    expect(log.space.hash()).toBe(hash)
    log.hazard(id(1), 'committed-met-aborted')
    expect(hazardousCount(log.space, 9)).toBe(1)
  })

  test('a branch that never acknowledged becomes a resolved hazard: nobody saw it end', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    const hazards = [{ participant: p, kind: 'never-acknowledged', resolved: resolution }]
    expect(log.resolve(id(1))).toMatchObject({ record: { outcome: 'committed', settled: false, hazards } })
    expect(hazardousCount(log.space, 9)).toBe(0)
  })

  test.each([
    ['a settled transaction', id(1), p],
    ['a branch that is not listed', id(2), s],
    ['a transaction that is not decided', id(3), p],
  ] as const)('there is nothing to resolve of %s', (_, of, participant) => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.apply({ kind: 'settled', ids: [id(1)] })
    log.decide(decision(id(2), 'committed'))
    const hash = log.space.hash()
    log.resolve(of, participant)
    expect(log.space.hash()).toBe(hash)
  })

  test('a quarantined branch is let go of only where no outcome can come any more (R13)', () => {
    const log = new Log()
    const release = { kind: 'release', id: id(1), participant: p, resolution } as const
    expect(log.apply(release)).toEqual({ kind: 'done' })
    expect(isReleased(log.space, id(1), p)).toBe(false)
    log.advance(1)
    expect(log.apply(release)).toEqual({ kind: 'released' })
    expect([isReleased(log.space, id(1), p), isReleased(log.space, id(1), q)]).toEqual([true, false])
  })

  test('a release is kept as long as anything of the epoch in which it was given, and forgotten with that (R11)', () => {
    const log = new Log()
    log.advance(1)
    log.apply({ kind: 'release', id: id(1), participant: p, resolution })
    const keptFor = Array.from({ length: 4 }, () => {
      log.advance(3)
      return isReleased(log.space, id(1), p)
    })
    expect(keptFor).toEqual([true, true, false, false])
    expect([log.space.list('released/', 9), log.space.list('releases/', 9)]).toEqual([[], []])
    expect(isMoreToForget(log.space)).toBe(false)
  })

  test('a record whose hazards are all resolved is forgotten once it is settled, and not while one is open (R11)', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.hazard(id(1), 'effects-lost')
    log.apply({ kind: 'settled', ids: [id(1)] })
    log.advance(1)
    expect(recordOf(log.space, id(1))).toBeDefined()
    log.resolve(id(1))
    log.advance(1)
    expect(recordOf(log.space, id(1))).toMatchObject({ settled: false })
    log.apply({ kind: 'settled', ids: [id(1)] })
    expect(log.apply({ kind: 'forget' })).toEqual({ kind: 'forgotten', ids: [id(1)] })
  })

  test.each([
    ['committed', false],
    ['aborted', true],
  ] as const)(
    'a branch that nobody has seen end may still hold it: told to be %s, it is forgotten: %s',
    (outcome, is) => {
      const log = new Log()
      log.decide(decision(id(1), outcome))
      log.resolve(id(1))
      log.apply({ kind: 'settled', ids: [id(1)] })
      log.advance(1)
      expect(recordOf(log.space, id(1)) === undefined).toBe(is)
    },
  )
})
