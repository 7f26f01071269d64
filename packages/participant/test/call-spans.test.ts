import { AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler } from '@opentelemetry/sdk-trace'
import type { TraceContext } from '@verdict/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { id, idOf, me, nonceOf, payloadOf, tokenOf } from './names.ts'
import { Recorded } from './recorded.ts'
import { Stage } from './stage.ts'
import {
  client,
  eventsOf,
  later,
  type PreparedStage,
  parentOf,
  preparedStage,
  senderOf,
  spanOf,
  traceId,
} from './traces.ts'

let recorded: Recorded

beforeEach(() => {
  recorded = new Recorded()
})

afterEach(() => recorded[Symbol.dispose]())

const set = (settings = {}, instances = 1): Promise<Stage> => Stage.set(settings, instances, recorded)
const prepared = (settings = {}, opening?: { readonly trace?: TraceContext }): Promise<PreparedStage> =>
  preparedStage(recorded, settings, opening)

describe('a call', () => {
  test('is one span, active while the operation runs, below that of its client', async () => {
    const stage = await set()
    stage.call({ operation: 'traced', trace: client }, { gate: 'g' })
    await stage.settle()
    stage.gates.open('g')
    await stage.settle()
    expect(recorded.tree).toEqual([
      'SERVER payments/traced',
      '  INTERNAL open',
      '    INTERNAL store open',
      '  INTERNAL user',
    ])
    const span = recorded.named('payments/traced')
    expect(parentOf(span)).toBe(spanOf(client))
    expect(span.attributes).toEqual({
      'rpc.system.name': 'verdict',
      'rpc.method': 'payments/traced',
      'verdict.transaction.id': id,
      'verdict.participant': me,
      'verdict.instance': stage.instance(),
    })
    expect(span.instrumentationScope).toMatchObject({ name: '@verdict/participant', version: '0.1.0' })
    expect(stage.results).toEqual([{ kind: 'value', value: payloadOf(traceId) }])
  })

  test('each later one is a span of its own, also when it waits for the one before', async () => {
    const stage = await set()
    const token = await stage.opened('a', { trace: client })
    const to = stage.instance()
    stage.call({ operation: 'traced', n: 2, token, trace: senderOf(8) }, { gate: 'g' }, to)
    stage.call({ operation: 'traced', n: 3, token, trace: senderOf(9) }, { gate: 'g' }, to)
    await stage.settle()
    stage.gates.open('g')
    await stage.settle()
    expect(recorded.tree.slice(-4)).toEqual([
      'SERVER payments/traced',
      '  INTERNAL user',
      'SERVER payments/traced',
      '  INTERNAL user',
    ])
    expect([0, 1].map((n) => parentOf(recorded.named('payments/traced', n)))).toEqual([
      spanOf(senderOf(8)),
      spanOf(senderOf(9)),
    ])
  })

  test('that is doubled while it runs is joined: the work stays in the first span', async () => {
    const stage = await set()
    for (const trace of [client, later]) {
      stage.call({ operation: 'traced', trace }, { gate: 'g' })
      await stage.settle()
    }
    stage.gates.open('g')
    await stage.settle()
    expect(recorded.tree).toEqual([
      'SERVER payments/traced',
      'SERVER payments/traced',
      '  INTERNAL open',
      '    INTERNAL store open',
      '  INTERNAL user',
    ])
    const first = recorded.named('payments/traced', 1)
    expect(parentOf(first)).toBe(spanOf(client))
    expect(eventsOf(first)).toEqual(['repeated'])
  })

  test('that is doubled after it was answered is a short span', async () => {
    const stage = await set()
    await stage.opened('a', { trace: client })
    stage.call({ operation: 'write', trace: later }, { value: 'a' })
    await stage.settle()
    expect(parentOf(recorded.named('payments/write', 1))).toBe(spanOf(later))
  })

  test('that is not answered again, since its value was too much to keep, says so', async () => {
    const stage = await set({ maxKeptBytes: 1 })
    await stage.opened('a', { trace: client })
    stage.call({ operation: 'write', trace: later }, { value: 'a' })
    await stage.settle()
    expect(recorded.tree.at(-1)).toBe('SERVER payments/write !maxKeptBytes')
    expect(stage.answers).toHaveLength(1)
  })

  test.each([
    ['refuse', { code: 'sold-out' }, 'sold-out', 'sold-out {"account":"a"}'],
    ['fail', { message: 'lock' }, 'lock-timeout', 'It waited too long for a lock.'],
    ['write', { value: 3 }, 'invalid-input', expect.stringContaining('value: ')],
  ])('%s of %j, refused, says so with code and reason', async (operation, input, code, message) => {
    const stage = await set()
    stage.call({ operation }, input)
    await stage.settle()
    expect(recorded.tree[0]).toBe(`SERVER payments/${operation} !${code}`)
    const span = recorded.named(`payments/${operation}`)
    expect(span.attributes).toMatchObject({ 'verdict.reason.code': code, 'verdict.reason.message': message })
    expect(span.events).toEqual([])
  })

  test('that crashes keeps what was thrown', async () => {
    const stage = await set()
    stage.call({ operation: 'fail' }, { message: 'oops' })
    await stage.settle()
    const span = recorded.named('payments/fail')
    expect(span.attributes['error.type']).toBe('operation-failed')
    expect(span.events).toMatchObject([
      { name: 'exception', attributes: { 'exception.type': 'Error', 'exception.message': 'oops' } },
    ])
  })

  test('of no known operation is told apart by no name of the caller', async () => {
    const stage = await set()
    stage.call({ operation: 'unheard-of' }, {})
    await stage.settle()
    const span = recorded.named('payments/_OTHER')
    expect(span.attributes).toMatchObject({ 'rpc.method': '_OTHER', 'error.type': 'unknown-operation' })
  })

  test('that meets another run of its id, or no branch, says so', async () => {
    const stage = await set()
    await stage.opened('a')
    stage.call({ operation: 'write', nonce: nonceOf(2) }, { value: 'b' })
    stage.call({ operation: 'write', id: idOf(2), n: 2, token: tokenOf(1) }, { value: 'b' }, stage.instance())
    await stage.settle()
    expect(recorded.tree.slice(-2)).toEqual(['SERVER payments/write !busy', 'SERVER payments/write !unknown-branch'])
  })

  test('that waits for room in vain shows where the time went', async () => {
    const stage = await set({ lockTimeoutMs: 500 })
    await stage.filled()
    recorded.reset()
    stage.call({ operation: 'write', id: idOf(100) }, { value: 'b' })
    await stage.settle(600)
    expect(recorded.tree).toEqual(['SERVER payments/write !overloaded', '  INTERNAL open !overloaded'])
  })
})

describe('where nothing is recorded', () => {
  test('a trace that is not sampled goes on all the same', async () => {
    recorded[Symbol.dispose]()
    recorded = new Recorded(new ParentBasedSampler({ root: new AlwaysOnSampler() }))
    const stage = await set()
    stage.gates.open('g')
    stage.call({ operation: 'traced', trace: senderOf(1, '00') }, { gate: 'g' })
    await stage.settle()
    expect(recorded.spans).toEqual([])
    expect(stage.results).toEqual([{ kind: 'value', value: payloadOf(traceId) }])
  })

  test('nothing is active where nobody traces', async () => {
    recorded[Symbol.dispose]()
    const stage = await set()
    stage.gates.open('g')
    stage.call({ operation: 'traced' }, { gate: 'g' })
    await stage.settle()
    expect(stage.results).toEqual([{ kind: 'value', value: payloadOf('none') }])
  })

  test('a branch, its vote and its outcome are as ever', async () => {
    recorded[Symbol.dispose]()
    recorded = new Recorded(new AlwaysOffSampler())
    const { stage, list, token } = await prepared()
    stage.outcome('committed', list, token, { trace: later })
    await stage.settle()
    expect(stage.store.effects).toEqual(['a'])
    expect(stage.said('ack')).toHaveLength(1)
    expect(recorded.spans).toEqual([])
  })
})
