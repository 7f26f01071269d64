import { encodePayload, type Operation, type TraceContext } from '@verdict/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { calledList, id, idOf, instanceOf, oneShotList, tokenOf } from './names.ts'
import { Recorded } from './recorded.ts'
import { Stage, writing } from './stage.ts'
import { client, eventsOf, later, leader, type PreparedStage, parentOf, preparedStage, spanOf } from './traces.ts'

let recorded: Recorded

beforeEach(() => {
  recorded = new Recorded()
})

afterEach(() => recorded[Symbol.dispose]())

const set = (settings = {}, instances = 1): Promise<Stage> => Stage.set(settings, instances, recorded)
const prepared = (settings = {}, opening?: { readonly trace?: TraceContext }): Promise<PreparedStage> =>
  preparedStage(recorded, settings, opening)

describe('a prepare', () => {
  test('is one span until its vote leaves, above what the resource does', async () => {
    await prepared()
    expect(recorded.tree.slice(-2)).toEqual(['SERVER payments/prepare', '  INTERNAL store prepare'])
    const span = recorded.named('payments/prepare')
    expect(parentOf(span)).toBe(spanOf(leader))
    expect(span.attributes).toMatchObject({ 'verdict.transaction.id': id, 'verdict.vote': 'prepared' })
  })

  test('lasts as long as the resource takes', async () => {
    const stage = await set()
    const token = await stage.opened('a')
    const release = stage.store.hold('prepare')
    stage.prepare(calledList(stage.instance(), token, 1), { to: stage.instance(), trace: leader })
    await stage.settle()
    expect(recorded.spans.map(({ name }) => name)).not.toContain('payments/prepare')
    release()
    await stage.settle()
    expect(recorded.named('payments/prepare').attributes['verdict.vote']).toBe('prepared')
  })

  test('of a one-shot has its opening and its operations in it', async () => {
    const stage = await set()
    const operations: readonly Operation[] = [
      writing('a'),
      { name: 'traced', args: encodePayload({ gate: 'g' }, 'the input') },
    ]
    stage.gates.open('g')
    stage.prepare(oneShotList(operations), { operations, trace: leader })
    await stage.settle()
    expect(recorded.tree).toEqual([
      'SERVER payments/prepare',
      '  INTERNAL open',
      '    INTERNAL store open',
      '  INTERNAL payments/write',
      '  INTERNAL payments/traced',
      '    INTERNAL user',
      '  INTERNAL store prepare',
    ])
    expect(recorded.named('payments/prepare').attributes['verdict.vote']).toBe('prepared')
  })

  test('of a one-shot that fails is refused with its reason, and what was thrown is kept where it was', async () => {
    const stage = await set()
    const operations: readonly Operation[] = [{ name: 'fail', args: encodePayload({ message: 'oops' }, 'the input') }]
    stage.prepare(oneShotList(operations), { operations, trace: leader })
    await stage.settle()
    expect(recorded.tree).toEqual([
      'SERVER payments/prepare !operation-failed',
      '  INTERNAL open',
      '    INTERNAL store open',
      '  INTERNAL payments/fail !operation-failed',
      '  INTERNAL store look',
    ])
    expect(eventsOf(recorded.named('payments/fail'))).toEqual(['exception'])
    expect(eventsOf(recorded.named('payments/prepare'))).toEqual([])
    expect(recorded.named('payments/prepare').attributes).toMatchObject({ 'verdict.vote': 'refused' })
  })

  test('of a one-shot that there is no room for is refused', async () => {
    const stage = await set({ lockTimeoutMs: 500 })
    await stage.filled()
    recorded.reset()
    stage.prepare(oneShotList([writing('b')]), { operations: [writing('b')], id: idOf(100) })
    await stage.settle(600)
    expect(recorded.tree).toEqual([
      'SERVER payments/prepare !overloaded',
      '  INTERNAL open !overloaded',
      '  INTERNAL store look',
    ])
  })

  test('that the resource refuses says why', async () => {
    const stage = await set()
    const token = await stage.opened('a')
    stage.store.script('prepare', {
      kind: 'refused',
      reason: { code: 'resource-refused', message: 'a constraint', retryable: false },
    })
    stage.prepare(calledList(stage.instance(), token, 1), { to: stage.instance(), trace: leader })
    await stage.settle()
    expect(recorded.tree.slice(-2)).toEqual(['SERVER payments/prepare !resource-refused', '  INTERNAL store prepare'])
    expect(recorded.named('payments/prepare').attributes['verdict.reason.message']).toBe('a constraint')
  })

  test('that the resource throws at is busy, and keeps what was thrown', async () => {
    const stage = await set()
    const token = await stage.opened('a')
    stage.store.script('prepare', new Error('away'))
    stage.prepare(calledList(stage.instance(), token, 1), { to: stage.instance() })
    await stage.settle()
    const span = recorded.named('payments/prepare')
    expect(span.attributes).toMatchObject({ 'verdict.vote': 'busy', 'error.type': 'busy' })
    expect(eventsOf(span)).toEqual(['exception'])
  })

  test('of a branch that is not here looks, within the span', async () => {
    const stage = await set()
    stage.prepare(calledList(stage.instance(), tokenOf(1), 1), { to: stage.instance() })
    stage.prepare(calledList(instanceOf(9), tokenOf(1), 1))
    await stage.settle()
    expect(recorded.tree).toEqual([
      'SERVER payments/prepare !unknown-branch',
      '  INTERNAL store look',
      'SERVER payments/prepare !busy',
      '  INTERNAL store look',
    ])
  })

  test('that is repeated is a short span with the same vote', async () => {
    const { stage, list } = await prepared()
    stage.prepare(list, { to: stage.instance(), trace: later })
    await stage.settle()
    const repeated = recorded.named('payments/prepare', 1)
    expect(parentOf(repeated)).toBe(spanOf(later))
    expect(repeated.attributes['verdict.vote']).toBe('prepared')
    expect(stage.said('vote')).toHaveLength(2)
  })

  test('that is repeated while the vote is on its way is answered by it', async () => {
    const stage = await set()
    const list = calledList(stage.instance(), await stage.opened('a'), 1)
    const release = stage.store.hold('prepare')
    for (const trace of [leader, later]) stage.prepare(list, { to: stage.instance(), trace })
    await stage.settle()
    expect(recorded.named('payments/prepare').attributes).not.toHaveProperty('verdict.vote')
    release()
    await stage.settle()
    const first = recorded.named('payments/prepare', 1)
    expect(parentOf(first)).toBe(spanOf(leader))
    expect(first.attributes['verdict.vote']).toBe('prepared')
    expect(eventsOf(first)).toEqual(['repeated'])
    expect(stage.said('vote')).toHaveLength(1)
  })

  test('gives the resource, and an inquiry, the trace that the branch was opened with', async () => {
    const { stage } = await prepared()
    expect(stage.store.prepared.get(id)?.trace).toEqual(client)
  })
})
