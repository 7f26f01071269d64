import type { DecisionRecord, InstanceId, ParticipantName } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { advanceDelivery, type Delivery, type DeliveryEffect, deliveryWakeAtMs, newDelivery } from '../src/delivery.ts'
import { calledList, decision, id, instance, otherDigest, owner, p, q, s, token, value } from './samples.ts'

const timing = { resendMs: 500, maxResendMs: 5_000, hazardResendMs: 60_000 }
const list = calledList(p, q, s)

function record(
  outcome: DecisionRecord['outcome'],
  votes: readonly DecisionRecord['branches'][number]['vote'][],
): DecisionRecord {
  const made = decision(id(1), outcome, list)
  const branches = made.branches.map((branch, place) => ({ ...branch, vote: votes[place] ?? 'unknown' }))
  return { ...made, branches, settled: false, hazards: [] }
}

const committed = record('committed', ['prepared', 'read-only', 'prepared'])

const again = (participant: ParticipantName, at: InstanceId | undefined): DeliveryEffect => ({
  kind: 'tell',
  participant,
  instance: at,
  token: token(participant),
  first: false,
})

const heard = (participant: ParticipantName, told = true): DeliveryEffect => ({ kind: 'heard', participant, told })

function wake(delivery: Delivery, nowMs: number, heldBack: readonly ParticipantName[] = []): DeliveryEffect[] {
  return advanceDelivery(delivery, { kind: 'woke', heldBack }, nowMs, timing)
}

function acknowledge(delivery: Delivery, participant: ParticipantName, over: object = {}): DeliveryEffect[] {
  const { digest, outcome } = delivery.record
  const event = { kind: 'acknowledged', participant, digest, applied: outcome, results: undefined, ...over } as const
  return advanceDelivery(delivery, event, 0, timing)
}

describe('R8: who is told', () => {
  test.each([
    ['committed', ['prepared', 'read-only', 'prepared'], [p, s]],
    ['aborted', ['prepared', 'refused', 'unknown'], [p, s]],
    ['aborted', ['refused', 'refused', 'read-only'], []],
  ] as const)('%s with the votes %o', (outcome, votes, told) => {
    const effects = wake(newDelivery(record(outcome, votes)), 0)
    expect(effects.flatMap((effect) => (effect.kind === 'tell' ? [effect.participant] : []))).toEqual(told)
  })

  test('first the instance that voted, then any and that one in turn, with growing pauses', () => {
    const delivery = newDelivery(committed)
    wake(delivery, 0)
    acknowledge(delivery, s)
    const rounds: unknown[] = []
    for (let round = 0; round < 5; round += 1) {
      const atMs = deliveryWakeAtMs(delivery) ?? 0
      rounds.push([atMs, ...wake(delivery, atMs)])
    }
    expect(rounds).toEqual([
      [500, again(p, undefined)],
      [1_500, again(p, instance(p))],
      [3_500, again(p, undefined)],
      [7_500, again(p, instance(p))],
      [12_500, again(p, undefined)],
    ])
  })

  test('any instance is told at once whenever the one that voted does not listen', () => {
    const delivery = newDelivery(committed)
    const gone = { kind: 'unreachable', participant: p, instance: instance(p) } as const
    expect(advanceDelivery(delivery, gone, 0, timing)).toEqual([])
    wake(delivery, 0)
    expect(advanceDelivery(delivery, gone, 0, timing)).toEqual([again(p, undefined)])
    expect(advanceDelivery(delivery, gone, 0, timing)).toEqual([])
    wake(delivery, 5_000)
    expect(advanceDelivery(delivery, gone, 5_000, timing)).toEqual([again(p, undefined)])
    acknowledge(delivery, p)
    expect(advanceDelivery(delivery, gone, 5_000, timing)).toEqual([])
  })
})

describe('a delivery from the store', () => {
  test('tells those alone that have not acknowledged, with long pauses', () => {
    const delivery = newDelivery(committed, { waitingFor: [s], patient: true })
    expect(wake(delivery, 0)).toEqual([{ ...again(s, instance(s)), first: true }])
    expect(deliveryWakeAtMs(delivery)).toBe(timing.maxResendMs)
    expect(acknowledge(delivery, s)).toEqual([heard(s), { kind: 'settled' }])
  })

  test('leaves out those that are held back, until the longest pause is over', () => {
    const delivery = newDelivery(committed)
    expect(wake(delivery, 0, [p])).toEqual([{ ...again(s, instance(s)), first: true }])
    expect(acknowledge(delivery, s)).toEqual([heard(s)])
    expect(deliveryWakeAtMs(delivery)).toBe(timing.maxResendMs)
    expect(wake(delivery, timing.maxResendMs)).toEqual([{ ...again(p, instance(p)), first: true }])
  })

  test('takes the acknowledgement of one that it has not told: an earlier leader did', () => {
    const delivery = newDelivery(committed)
    wake(delivery, 0, [p])
    expect(acknowledge(delivery, p)).toEqual([heard(p, false)])
  })
})

describe('acknowledgements', () => {
  test('settle it once, when the last branch that was told has acknowledged', () => {
    const delivery = newDelivery(committed)
    wake(delivery, 0)
    expect(acknowledge(delivery, p)).toEqual([heard(p)])
    expect(acknowledge(delivery, p)).toEqual([])
    expect(acknowledge(delivery, s)).toEqual([heard(s), { kind: 'settled' }])
    expect(acknowledge(delivery, s)).toEqual([])
    expect(deliveryWakeAtMs(delivery)).toBeUndefined()
    expect(wake(delivery, 99_999)).toEqual([])
  })

  test.each([
    ['of another list', p, { digest: otherDigest(id(2)) }],
    ['of the other outcome', p, { applied: 'aborted' }],
    ['of a branch that only read', q, {}],
  ] as const)('%s count nothing', (_, participant, over) => {
    const delivery = newDelivery(committed)
    wake(delivery, 0)
    acknowledge(delivery, s)
    expect(acknowledge(delivery, participant, over)).toEqual([])
    expect(deliveryWakeAtMs(delivery)).toBe(500)
  })

  test('bring results that the vote did not, and never replace those of the vote', () => {
    const delivery = newDelivery(committed)
    delivery.results = [undefined, undefined, [value('vote')]]
    wake(delivery, 0)
    acknowledge(delivery, p, { results: [value('late')] })
    acknowledge(delivery, s, { results: [value('other')] })
    expect(delivery.results).toEqual([[value('late')], undefined, [value('vote')]])
  })
})

describe('R16: hazards and what operators say of them', () => {
  const resolved = { by: 'alice', as: owner, because: 'mended', atMs: 1 }
  const lost = { participant: p, kind: 'effects-lost', note: 'gone' } as const
  const marked = (delivery: Delivery, hazards: DecisionRecord['hazards']): DeliveryEffect[] =>
    advanceDelivery(delivery, { kind: 'marked', record: { ...committed, hazards } }, 0, timing)

  test('whoever cannot honour an outcome is told ever so rarely: it waits for a person', () => {
    const delivery = newDelivery(committed)
    wake(delivery, 0)
    acknowledge(delivery, s)
    expect(marked(delivery, [lost])).toEqual([])
    expect(wake(delivery, 500)).toEqual([again(p, undefined)])
    expect(deliveryWakeAtMs(delivery)).toBe(60_500)
  })

  test('a resolved branch is waited for no longer', () => {
    const delivery = newDelivery(committed)
    wake(delivery, 0)
    acknowledge(delivery, s)
    marked(delivery, [lost])
    expect(marked(delivery, [{ ...lost, resolved }])).toEqual([heard(p), { kind: 'settled' }])
    expect(marked(delivery, [{ ...lost, resolved }])).toEqual([])
    expect(deliveryWakeAtMs(delivery)).toBeUndefined()
  })

  test('a leader that finds all of them resolved settles it, without telling anybody', () => {
    const hazards = [p, s].map((participant) => ({ ...lost, participant, resolved }))
    const delivery = newDelivery({ ...committed, hazards })
    expect(wake(delivery, 0)).toEqual([{ kind: 'settled' }])
    expect(wake(delivery, 0)).toEqual([])
  })

  test('whom an operator wants told now is told, whatever pause is under way', () => {
    const delivery = newDelivery(committed)
    wake(delivery, 0)
    acknowledge(delivery, p)
    expect(advanceDelivery(delivery, { kind: 'hurried' }, 1, timing)).toEqual([again(s, undefined)])
  })
})
