import { createTraceState, isSpanContextValid, ROOT_CONTEXT, type SpanContext, trace } from '@opentelemetry/api'
import { protocolErrors, reasonCodes, type TraceContext } from '@verdict/protocol'
import {
  BoundedLabel,
  codeLabel,
  contextOf,
  isSampled,
  linksTo,
  maxLabelValues,
  metrics,
  otherLabel,
  traceField,
} from '@verdict/protocol/telemetry'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { traces } from './arbitrary.ts'

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: length, maxLength: length })

const spanContexts: fc.Arbitrary<SpanContext> = fc
  .record({ traceId: hex(32), spanId: hex(16), traceFlags: fc.constantFrom(0, 1) })
  .filter(isSpanContextValid)

const spanOf = (found: TraceContext | undefined): SpanContext | undefined =>
  trace.getSpanContext(contextOf(found, ROOT_CONTEXT))

describe('the trace field of a message', () => {
  test('names the span of a context, and is read as that span', () => {
    fc.assert(
      fc.property(spanContexts, fc.option(fc.constant('vendor=1,other=2'), { nil: undefined }), (span, state) => {
        const traceState = state === undefined ? undefined : createTraceState(state)
        const within = trace.setSpanContext(ROOT_CONTEXT, { ...span, ...(traceState && { traceState }) })
        const field = traceField(trace.getSpanContext(within))
        expect(field.trace?.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
        const read = spanOf(field.trace)
        expect(read).toMatchObject({ ...span, isRemote: true })
        expect(read?.traceState?.serialize()).toBe(state)
      }),
    )
  })

  test('that was read is written as it was', () => {
    fc.assert(
      fc.property(traces, (read) => {
        fc.pre(spanOf(read) !== undefined) // nearly always: a random id is not zero
        expect(traceField(spanOf(read))).toEqual({ trace: read })
      }),
    )
  })

  test('is absent where there is no span, or none that is valid', () => {
    expect(traceField(undefined)).toEqual({})
    const invalid = { traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 1 }
    expect(traceField(invalid)).toEqual({})
  })

  test('leaves out a state that is too long to travel, and keeps the span', () => {
    const traceState = createTraceState(Array.from({ length: 32 }, (_, nth) => `key${nth}=${'v'.repeat(40)}`).join(','))
    const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1, traceState }
    expect(traceField(span)).toEqual({
      trace: { traceparent: `00-${span.traceId}-${span.spanId}-01` },
    })
  })

  test('that names no span leaves the context as it was', () => {
    const within = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      traceFlags: 1,
    })
    expect(contextOf(undefined, within)).toBe(within)
    expect(contextOf({ traceparent: `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01` }, within)).toBe(within)
  })
})

test.each([
  ['00', false],
  ['01', true],
  ['02', false],
  ['03', true],
])('flags %s say whether it is sampled, by their first bit alone', (flags, sampled) => {
  expect(isSampled({ traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}` })).toBe(sampled)
})

test('links lead to the spans that are named, in their order, and to no others', () => {
  const nobody = { traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01` }
  const somebody = (digit: string): TraceContext => ({ traceparent: `00-${digit.repeat(32)}-${'2'.repeat(16)}-01` })
  const links = linksTo([somebody('a'), undefined, nobody, somebody('b')])
  expect(links.map(({ context }) => context.traceId)).toEqual(['a'.repeat(32), 'b'.repeat(32)])
})

describe('labels of metrics', () => {
  test('are a bounded number of values: the first ones, and one for all others', () => {
    const bounded = new BoundedLabel()
    const labels = Array.from({ length: 10_000 }, (_, nth) => bounded.label(`p${nth}`))
    expect(new Set(labels).size).toBe(maxLabelValues + 1)
    expect(labels.slice(0, maxLabelValues)).toEqual(Array.from({ length: maxLabelValues }, (_, nth) => `p${nth}`))
    expect(bounded.label('p0')).toBe('p0')
    expect(bounded.label(`p${maxLabelValues}`)).toBe(otherLabel)
  })

  test('know every code of the protocol, and make one of all others', () => {
    for (const code of [...Object.values(reasonCodes), ...Object.keys(protocolErrors)])
      expect(codeLabel(code)).toBe(code)
    for (const code of ['insufficient-funds', '', 'constructor']) expect(codeLabel(code)).toBe(otherLabel)
  })
})

test('each metric has a name of its own', () => {
  const names = Object.values(metrics).map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})
