import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { InDoubt } from '@verdict/client'
import type { Reason } from '@verdict/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { idOf, parentOf, Recorded } from '../../../test/telemetry/recorded.ts'
import { type Inventory, type Payments, recorded as record, Stage } from './stage.ts'

const input = { account: 'ada', cents: 5 }
const insufficient: Reason = { code: 'insufficient-funds', message: 'Ada has nothing.', retryable: false }

let recorded: Recorded
beforeEach(() => {
  recorded = new Recorded()
})
afterEach(() => recorded[Symbol.dispose]())

function newStage(): Stage {
  const stage = new Stage()
  recorded.follow(stage.simulation)
  stage.participant('inventory')
  return stage
}

/** The traceparent that names a span. */
function traceparentOf(name: string): string {
  const { traceId, spanId } = recorded.named(name).spanContext()
  return `00-${traceId}-${spanId}-01`
}

const debit = (verdict: Parameters<Parameters<Stage['play']>[0]>[0], options = {}) =>
  verdict.transaction(async (tx) => {
    await tx.on<Payments>('payments').debit(input)
    await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
  }, options)

describe('the span of a transaction', () => {
  test('has its calls and its commit as children, and their messages carry their contexts', async () => {
    const stage = newStage()
    stage.participant('payments')
    const { receipt } = await stage.play((verdict) =>
      verdict.transaction(async (tx) => {
        await tx.on<Payments>('payments').debit(input)
        await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
      }),
    )
    const [transaction, ...children] = recorded.spans
    expect(transaction).toMatchObject({
      name: 'transaction',
      kind: SpanKind.INTERNAL,
      parentSpanContext: undefined,
      status: { code: SpanStatusCode.UNSET },
      attributes: {
        'verdict.transaction.id': receipt.id,
        'verdict.transaction.branches': 2,
        'verdict.mode': 'interactive',
        'verdict.outcome': 'committed',
        'verdict.path': 'logged',
      },
    })
    expect(children.map(({ name }) => name)).toEqual(['payments/debit', 'inventory/reserve', 'coordinator/commit'])
    for (const child of children) {
      expect(parentOf(child)).toBe(transaction && idOf(transaction))
      expect(child.kind).toBe(SpanKind.CLIENT)
      expect(child.attributes).toMatchObject({
        'rpc.system.name': 'verdict',
        'rpc.method': child.name,
        'verdict.transaction.id': receipt.id,
      })
    }
    expect(stage.calls.map(({ call }) => call.trace?.traceparent)).toEqual([
      traceparentOf('payments/debit'),
      traceparentOf('inventory/reserve'),
    ])
    expect(stage.commits[0]?.trace?.traceparent).toBe(traceparentOf('coordinator/commit'))
    expect(recorded.named('coordinator/commit').attributes).toMatchObject({ 'verdict.outcome': 'committed' })
  })

  test("is a child of the caller's span, and parent of the spans of the caller's function", async () => {
    const stage = newStage()
    stage.participant('payments')
    const tracer = trace.getTracer('checkout')
    await stage.play((verdict) =>
      tracer.startActiveSpan('request', async (request) => {
        await verdict.transaction(async (tx) => {
          await tx.on<Payments>('payments').audit()
          await tracer.startActiveSpan('pay', async (pay) => {
            await tx.on<Payments>('payments').debit(input)
            pay.end()
          })
        })
        request.end()
      }),
    )
    const chain = ['payments/debit', 'pay', 'transaction', 'request'].map((name) => recorded.named(name))
    expect(chain.map(parentOf)).toEqual([...chain.slice(1).map(idOf), undefined])
    expect(parentOf(recorded.named('payments/audit'))).toBe(idOf(recorded.named('transaction')))
  })

  test('that is not sampled stands for its calls and its commit, and no span is made for them', async () => {
    const stage = newStage()
    stage.participant('payments')
    const request = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: TraceFlags.NONE }
    await stage.play((verdict) => context.with(trace.setSpanContext(ROOT_CONTEXT, request), () => debit(verdict)))
    const [first, ...rest] = [...stage.calls.map(({ call }) => call), ...stage.commits].map((sent) => sent.trace)
    expect(first?.traceparent).toMatch(/^00-a{32}-[0-9a-f]{16}-00$/)
    expect(rest).toEqual([first, first])
    expect(recorded.spans).toEqual([])
  })

  test('of a one-shot has its commit as child', async () => {
    const stage = newStage()
    stage.onCommit = () => ({ kind: 'read-only' })
    await stage.play((verdict) => {
      const reserve = verdict.call<Inventory>('inventory').reserve({ sku: 'tea' })
      return verdict.submit([verdict.call<Payments>('payments').audit(), reserve])
    })
    expect(recorded.spans.map(({ name }) => name)).toEqual(['transaction', 'coordinator/commit'])
    expect(recorded.named('transaction').attributes).toMatchObject({
      'verdict.mode': 'one-shot',
      'verdict.transaction.branches': 2,
      'verdict.path': 'read-only',
    })
  })

  test('of a refused call tells the reason, and so does the call', async () => {
    const stage = newStage()
    stage.participant('payments', () => ({ kind: 'refused', reason: insufficient }))
    await stage.fail((verdict) => debit(verdict))
    expect(recorded.spans.map(({ name }) => name)).toEqual(['transaction', 'payments/debit'])
    for (const span of recorded.spans) {
      expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: insufficient.message })
      expect(span.attributes).toMatchObject({
        'error.type': insufficient.code,
        'verdict.reason.code': insufficient.code,
        'verdict.reason.message': insufficient.message,
      })
    }
    expect(recorded.named('transaction').attributes['verdict.outcome']).toBe('aborted')
  })

  test('that the group aborts has failed, and the group that tells it has not', async () => {
    const stage = newStage()
    stage.participant('payments')
    stage.onCommit = () => ({ kind: 'aborted', reason: insufficient })
    await stage.fail((verdict) => debit(verdict))
    expect(recorded.named('transaction').status.code).toBe(SpanStatusCode.ERROR)
    const commit = recorded.named('coordinator/commit')
    expect(commit.status.code).toBe(SpanStatusCode.UNSET)
    expect(commit.attributes).toMatchObject({
      'verdict.outcome': 'aborted',
      'verdict.reason.code': insufficient.code,
    })
    expect(commit.attributes).not.toHaveProperty('error.type')
  })

  test('keeps what the function of the caller threw', async () => {
    const stage = newStage()
    const thrown = new TypeError('tea is not a number')
    await stage.fail((verdict) => verdict.transaction(() => Promise.reject(thrown)))
    const { attributes, events } = recorded.named('transaction')
    expect(attributes).toMatchObject({ 'error.type': 'client-aborted', 'verdict.outcome': 'aborted' })
    expect(events).toMatchObject([{ name: 'exception', attributes: { 'exception.message': thrown.message } }])
  })

  test('that nobody answers is in doubt, and so is its commit, which was sent again and again', async () => {
    const stage = newStage()
    stage.participant('payments')
    stage.onCommit = () => 'silence'
    expect(await stage.fail((verdict) => debit(verdict, { budgetMs: 100 }))).toBeInstanceOf(InDoubt)
    for (const name of ['transaction', 'coordinator/commit']) {
      expect(recorded.named(name)).toMatchObject({
        status: { code: SpanStatusCode.ERROR },
        attributes: { 'error.type': 'in-doubt', 'verdict.outcome': 'in-doubt' },
      })
    }
    const { events } = recorded.named('coordinator/commit')
    expect(events.map(({ name, attributes }) => [name, attributes?.['verdict.attempt']])).toEqual(
      stage.commits.slice(1).map((_, nth) => ['resent', nth + 2]),
    )
    expect(events.length).toBeGreaterThan(1)
    expect(new Set(stage.commits.map((commit) => commit.trace?.traceparent))).toEqual(
      new Set([traceparentOf('coordinator/commit')]),
    )
  })

  test('that is not honoured everywhere is a hazard', async () => {
    const stage = newStage()
    stage.participant('payments')
    const hazards = [{ participant: 'payments' as never, kind: 'effects-lost', note: 'gone' }] as const
    stage.onCommit = () => ({ kind: 'committed', applied: true, hazards })
    await stage.fail((verdict) => debit(verdict))
    expect(recorded.named('transaction').attributes).toMatchObject({
      'verdict.outcome': 'hazard',
      'error.type': 'committed-with-hazards',
    })
    expect(recorded.named('coordinator/commit').attributes['verdict.outcome']).toBe('hazard')
  })
})

test('a look is linked with the trace of the transaction that it found, and carries its own', async () => {
  const stage = newStage()
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  stage.onLook = () => record('committed', { trace: { traceparent } })
  await stage.play((verdict) => debit(verdict, { id: verdict.newId() }))
  const look = recorded.named('coordinator/look')
  expect(look.links.map((link) => link.context.traceId)).toEqual(['0af7651916cd43dd8448eb211c80319c'])
  expect(look.attributes['verdict.outcome']).toBe('committed')
  expect(parentOf(look)).toBe(idOf(recorded.named('transaction')))
  expect(stage.asked.find((asked) => asked.type === 'look')).toMatchObject({
    trace: { traceparent: traceparentOf('coordinator/look') },
  })
})

describe('without an SDK', () => {
  beforeEach(() => trace.disable())

  const sent = async (): Promise<unknown> => {
    const stage = newStage()
    stage.participant('payments')
    await stage.play((verdict) => debit(verdict))
    return [stage.calls[0]?.call.trace, stage.commits[0]?.trace]
  }

  test('messages carry no context', async () => {
    expect(await sent()).toEqual([undefined, undefined])
  })

  test('messages carry the context that somebody else made active', async () => {
    const foreign = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }
    const traceparent = `00-${foreign.traceId}-${foreign.spanId}-01`
    const active = trace.setSpanContext(context.active(), foreign)
    expect(await context.with(active, sent)).toEqual([{ traceparent }, { traceparent }])
  })
})

describe('metrics', () => {
  const attributesOf = async (name: string): Promise<unknown> =>
    (await recorded.points(name)).map(({ attributes }) => attributes)

  test('of transactions and calls tell durations by outcome and method', async () => {
    const stage = newStage()
    stage.participant('payments')
    await stage.play((verdict) => debit(verdict))
    expect(await attributesOf('verdict.client.transaction.duration')).toEqual([
      { 'verdict.mode': 'interactive', 'verdict.outcome': 'committed', 'verdict.path': 'logged' },
    ])
    expect(await attributesOf('rpc.client.call.duration')).toEqual([
      { 'rpc.system.name': 'verdict', 'rpc.method': 'payments/debit' },
      { 'rpc.system.name': 'verdict', 'rpc.method': 'inventory/reserve' },
      { 'rpc.system.name': 'verdict', 'rpc.method': 'coordinator/commit' },
    ])
    const [{ value } = {}] = await recorded.points('verdict.client.transaction.duration')
    expect(value).toMatchObject({ count: 1 })
  })

  test('name only codes that the protocol defines, and only operations that are there', async () => {
    const stage = newStage()
    const reasons = [
      insufficient,
      { ...insufficient, code: 'unknown-operation' },
      { ...insufficient, code: 'lock-timeout' },
    ]
    stage.participant('payments', (_, nth) => ({ kind: 'refused', reason: reasons[nth] ?? insufficient }))
    await stage.play(async (verdict) => {
      for (const _ of reasons) await expect(debit(verdict)).rejects.toThrow('aborted')
    })
    expect(await attributesOf('rpc.client.call.duration')).toMatchObject([
      { 'rpc.method': 'payments/debit', 'error.type': '_OTHER' },
      { 'rpc.method': '_OTHER', 'error.type': 'unknown-operation' },
      { 'rpc.method': 'payments/debit', 'error.type': 'lock-timeout' },
    ])
    expect(await attributesOf('verdict.client.transaction.duration')).toMatchObject([
      { 'error.type': '_OTHER', 'verdict.outcome': 'aborted' },
      { 'error.type': 'unknown-operation' },
      { 'error.type': 'lock-timeout' },
    ])
  })

  test('count what was refused because a bound was met, by the name of the bound', async () => {
    const stage = newStage()
    stage.participant('payments')
    await stage.play(async (verdict) => {
      const large = 'x'.repeat(70_000)
      const audit = verdict.call<Payments>('payments').audit()
      const half = verdict.call('payments')['store']?.('x'.repeat(60_000)) ?? audit
      const everybody = Array.from({ length: 129 }, (_, nth) => ({ ...audit, participant: `p${nth}` as never }))
      expect(() => verdict.call('payments')['store']?.(large)).toThrow('at most')
      await expect(verdict.transaction((tx) => tx.on('payments')['store']?.(large))).rejects.toThrow('at most')
      await expect(verdict.submit(Array.from({ length: 65 }, () => audit))).rejects.toThrow('at most')
      await expect(verdict.submit(everybody)).rejects.toThrow('at most')
      await expect(verdict.submit(Array.from({ length: 9 }, () => half))).rejects.toThrow('at most')
    })
    const refusals = await recorded.points('verdict.limit.refusals')
    expect(Object.fromEntries(refusals.map(({ attributes, value }) => [attributes['verdict.limit'], value]))).toEqual({
      maxPayloadBytes: 2,
      maxOperationsPerBranch: 1,
      maxBranches: 1,
      maxOperationsBytes: 1,
    })
  })

  test('tell how many requests wait', async () => {
    const stage = newStage()
    const waiting = async (): Promise<unknown> =>
      (await recorded.points('verdict.client.requests.waiting')).map(({ value }) => value)
    let during: unknown
    stage.participant('payments')
    await stage.play(async (verdict) => {
      await verdict.transaction(async (tx) => {
        const called = tx.on<Payments>('payments').debit(input)
        await Promise.resolve()
        during = await waiting()
        await called
      })
    })
    expect(during).toEqual([1])
    expect(await waiting()).toEqual([0])
  })
})
