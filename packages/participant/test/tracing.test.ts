import { SpanStatusCode } from '@opentelemetry/api'
import { AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler, type ReadableSpan } from '@opentelemetry/sdk-trace'
import {
  type BranchList,
  digestOf,
  encodePayload,
  type Operation,
  type Token,
  type TraceContext,
} from '@verdict/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { calledList, group, id, idOf, instanceOf, me, nonceOf, oneShotList, payloadOf, tokenOf } from './names.ts'
import { Recorded } from './recorded.ts'
import { Stage, writing } from './stage.ts'

/** The span of whoever sends, as it stands in a message: the n-th of the one trace. */
const senderOf = (n: number, flags = '01'): TraceContext => ({
  traceparent: `00-0af7651916cd43dd8448eb211c80319c-00000000000000${n.toString(16).padStart(2, '0')}-${flags}`,
})
const spanOf = ({ traceparent }: TraceContext): string => traceparent.split('-')[2] ?? ''
const [client, leader, later] = [senderOf(1), senderOf(2), senderOf(3)]

let recorded: Recorded

beforeEach(() => {
  recorded = new Recorded()
})

afterEach(() => recorded[Symbol.dispose]())

const set = (settings = {}, instances = 1): Promise<Stage> => Stage.set(settings, instances, recorded)

interface Prepared {
  readonly stage: Stage
  readonly list: BranchList
  readonly token: Token
}

async function prepared(
  settings = {},
  opening: { readonly trace?: TraceContext } = { trace: client },
): Promise<Prepared> {
  const stage = await set(settings)
  const token = await stage.opened('a', opening)
  const list = calledList(stage.instance(), token, 1)
  stage.prepare(list, { to: stage.instance(), trace: leader })
  await stage.settle()
  return { stage, list, token }
}

function answer(
  stage: Stage,
  list: BranchList,
  how: 'committed' | 'discard',
  token: Token,
  trace?: TraceContext,
): void {
  const answers = [{ id, digest: digestOf(id, list), answer: how, token, ...(trace && { trace }) }]
  stage.control({ type: 'inquiryAnswer', answers, horizon: 0 as never }, stage.instance())
}

const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId
const linksOf = (span: ReadableSpan): readonly string[] => span.links.map((link) => link.context.spanId)
const eventsOf = (span: ReadableSpan): readonly string[] => span.events.map(({ name }) => name)

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
    expect(stage.results).toEqual([{ kind: 'value', value: payloadOf('0af7651916cd43dd8448eb211c80319c') }])
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

describe('an outcome', () => {
  test('is one span from its message to its acknowledgement, above what the resource does', async () => {
    const { stage, list, token } = await prepared()
    const release = stage.store.hold('finish')
    stage.outcome('committed', list, token, { trace: later })
    await stage.settle()
    expect(recorded.spans.map(({ name }) => name)).not.toContain('payments/outcome')
    release()
    await stage.settle()
    expect(recorded.tree.slice(-2)).toEqual(['SERVER payments/outcome', '  INTERNAL store finish'])
    const span = recorded.named('payments/outcome')
    expect(parentOf(span)).toBe(spanOf(later))
    expect(span.attributes).toMatchObject({
      'rpc.method': 'payments/outcome',
      'verdict.transaction.id': id,
      'verdict.outcome': 'committed',
      'verdict.ending': 'committed',
    })
  })

  test('aborted, of what is not here, looks and leaves a tombstone within the span', async () => {
    const stage = await set()
    stage.outcome('aborted', calledList(instanceOf(5), tokenOf(5), 1), undefined, { trace: later })
    await stage.settle()
    expect(recorded.tree).toEqual(['SERVER payments/outcome', '  INTERNAL store look', '  INTERNAL store tombstone'])
  })

  test('that cannot be applied is given up to attempts of their own, linked to the sender', async () => {
    const { stage, list, token } = await prepared({ retryMs: 10 })
    recorded.reset()
    stage.store.script('finish', 'busy', new TypeError('away'))
    stage.outcome('committed', list, token, { trace: later })
    await stage.settle(200)
    expect(recorded.tree).toEqual([
      'SERVER payments/outcome !busy',
      '  INTERNAL store finish',
      'SERVER payments/outcome !TypeError',
      '  INTERNAL store finish',
      'SERVER payments/outcome',
      '  INTERNAL store finish',
    ])
    const [first, second, third] = [0, 1, 2].map((n) => recorded.named('payments/outcome', n))
    expect(first && [parentOf(first), linksOf(first)]).toEqual([spanOf(later), []])
    expect(second && [parentOf(second), linksOf(second), eventsOf(second)]).toEqual([
      undefined,
      [spanOf(later)],
      ['exception'],
    ])
    expect(third?.attributes).toMatchObject({ 'verdict.attempt': 3, 'verdict.ending': 'committed' })
  })

  test('told once more while it is applied is joined', async () => {
    const { stage, list, token } = await prepared()
    const release = stage.store.hold('finish')
    stage.outcome('committed', list, token, { trace: later })
    stage.outcome('committed', list, token, { trace: senderOf(9) })
    await stage.settle()
    release()
    await stage.settle()
    expect(eventsOf(recorded.named('payments/outcome'))).toEqual(['repeated'])
  })

  test('that cannot be honoured is an error', async () => {
    const stage = await set()
    stage.outcome('committed', calledList(instanceOf(5), tokenOf(5), 1), tokenOf(5), { trace: later })
    await stage.settle()
    expect(recorded.tree[0]).toBe('SERVER payments/outcome !effects-lost')
    expect(recorded.named('payments/outcome').attributes).toMatchObject({
      'verdict.ending': 'hazard',
      'verdict.hazard': 'effects-lost',
    })
  })

  test.each(['committed', 'discard'] as const)(
    'told by the answer to an inquiry (%s) is a trace of its own, linked to that of the branch',
    async (how) => {
      const { stage, list, token } = await prepared()
      recorded.reset()
      answer(stage, list, how, token, later)
      await stage.settle()
      const span = recorded.named('payments/outcome')
      expect([parentOf(span), linksOf(span)]).toEqual([undefined, [spanOf(client)]])
      expect(span.attributes['verdict.ending']).toBe(how === 'discard' ? 'discarded' : how)
      expect(recorded.tree.at(-1)).toBe('  INTERNAL store finish')
    },
  )

  test('for a branch that knows no trace, as after a restart, is linked to that of the answer', async () => {
    const { stage, list, token } = await prepared({}, {})
    answer(stage, list, 'committed', token, later)
    await stage.settle()
    expect(linksOf(recorded.named('payments/outcome'))).toEqual([spanOf(later)])
  })
})

describe('an inquiry', () => {
  const settings = {
    inquireAfterMs: 1_000,
    inquiryPauseMs: 60_000,
    maxInquiryPauseMs: 60_000,
    inquirySpreadMs: 0,
    sweepMs: 60_000,
  }

  test('is a trace of its own, linked to those of the branches', async () => {
    const { stage } = await prepared(settings)
    await stage.settle(1_100)
    const span = recorded.named('coordinator/inquiry')
    expect([parentOf(span), linksOf(span)]).toEqual([undefined, [spanOf(client)]])
    expect(span.attributes).toEqual({
      'rpc.system.name': 'verdict',
      'rpc.method': 'coordinator/inquiry',
      'verdict.participant': me,
      'verdict.group': group,
      'verdict.inquired': 1,
    })
    expect(span.status.code).toBe(SpanStatusCode.UNSET)
    expect(recorded.tree.at(-1)).toBe('CLIENT coordinator/inquiry')
  })

  test('about many is linked to the first 32 that have a trace', async () => {
    const stage = await set(settings, 0)
    for (let n = 1; n <= 40; n += 1) {
      const [list, token] = [calledList(instanceOf(9), tokenOf(9), 1), tokenOf(9)]
      const row = { id: idOf(n), digest: digestOf(idOf(n), list), token, writes: [], history: 'same' as const }
      stage.store.prepared.set(idOf(n), n <= 4 ? row : { ...row, trace: senderOf(n) })
    }
    await stage.start('payments-1')
    await stage.settle(1_100)
    const span = recorded.named('coordinator/inquiry')
    expect(span.attributes['verdict.inquired']).toBe(40)
    expect(linksOf(span)).toEqual(Array.from({ length: 32 }, (_, n) => spanOf(senderOf(n + 5))))
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
    expect(stage.results).toEqual([{ kind: 'value', value: payloadOf('0af7651916cd43dd8448eb211c80319c') }])
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
