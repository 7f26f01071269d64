import { INVALID_SPAN_CONTEXT, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { type DecisionRecord, digestOf, maxPayloadBytes, maxResultsBytes, type Payload } from '@verdict/protocol'
import { describe, expect, test, vi } from 'vitest'
import type { Call } from '../src/calls.ts'
import { answerFrom, bytesOf, joinWaiters, type Waiter } from '../src/waiter.ts'
import { calledList, decision, id, otherDigest, p, q, value } from './samples.ts'

const digest = digestOf(id(1), calledList(p, q))
const committed: DecisionRecord = { ...decision(id(1), 'committed'), settled: false, hazards: [] }
const aborted: DecisionRecord = { ...decision(id(1), 'aborted'), settled: false, hazards: [] }

const call: Call = {
  span: trace.wrapSpanContext(INVALID_SPAN_CONTEXT),
  context: ROOT_CONTEXT,
  answered: vi.fn(),
  dropped: vi.fn(),
}

function waiter(request: number, over: Partial<Waiter> = {}): Waiter {
  return { inbox: 'verdict.v1.ans.checkout.x', request, digest, wait: 'decided', oneShot: false, call, ...over }
}

describe('what a waiter is told of a record', () => {
  test('the outcome for its own list', () => {
    expect(answerFrom(committed, waiter(1), true, undefined)).toEqual({ kind: 'committed', applied: true, hazards: [] })
    expect(answerFrom(aborted, waiter(1), false, undefined)).toEqual({ kind: 'aborted', reason: aborted.reason })
  })

  test.each([committed, aborted])('conflict for another list, whatever $outcome (R4)', (record) => {
    expect(answerFrom(record, waiter(1, { digest: otherDigest(id(1)) }), true, [])).toEqual({
      kind: 'conflict',
      recorded: digest,
      outcome: record.outcome,
    })
  })

  test('hazards with committed: it is no success (R16)', () => {
    const hazards = [{ participant: p, kind: 'effects-lost', note: '' }] as const
    expect(answerFrom({ ...committed, hazards }, waiter(1), false, undefined)).toMatchObject({ hazards })
  })

  test.each([
    ['every one is known', [[value('a')], [value('b')]], [[value('a')], [value('b')]]],
    ['a branch has none to give', [[], [value('b')]], [[], [value('b')]]],
    ['one is missing', [[value('a')], undefined], 'pending'],
    ['nothing is known', undefined, 'pending'],
  ] as const)('results of a one-shot when %s', (_, results, told) => {
    expect(answerFrom(committed, waiter(1, { oneShot: true }), false, results)).toMatchObject({ results: told })
  })

  test('results that are too large for one answer are pending', () => {
    const large = new Uint8Array(maxPayloadBytes) as Payload
    const results = [Array.from({ length: maxResultsBytes / maxPayloadBytes + 1 }, () => large), []]
    expect(answerFrom(committed, waiter(1, { oneShot: true }), false, results)).toMatchObject({ results: 'pending' })
    expect(bytesOf(results)).toBe(maxResultsBytes + maxPayloadBytes)
  })
})

describe('waiters', () => {
  test('a repeated request waits once', () => {
    const waiters: Waiter[] = []
    joinWaiters(waiters, waiter(1), 3)
    joinWaiters(waiters, waiter(2), 3)
    joinWaiters(waiters, waiter(1, { wait: 'applied' }), 3)
    expect(waiters).toEqual([waiter(2), waiter(1, { wait: 'applied' })])
  })

  test('the oldest gives way, so the requests of a dead client keep nobody out', () => {
    const waiters: Waiter[] = []
    for (const request of [1, 2, 3, 4]) joinWaiters(waiters, waiter(request), 3)
    expect(waiters.map(({ request }) => request)).toEqual([2, 3, 4])
  })
})
