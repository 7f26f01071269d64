import { INVALID_SPAN_CONTEXT, ROOT_CONTEXT, type SpanContext, trace } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Recorded } from '../../../test/telemetry/recorded.ts'
import { startPart } from '../src/telemetry/index.ts'

const options = () => ({ attributes: { part: true } })

let recorded: Recorded
beforeEach(() => {
  recorded = new Recorded()
})
afterEach(() => recorded[Symbol.dispose]())

function whole(traceFlags: number): SpanContext {
  return { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags }
}

describe('a part of a span', () => {
  test('is a span of its own, also when the whole has ended before', () => {
    const tracer = trace.getTracer('test')
    const span = tracer.startSpan('whole')
    const within = trace.setSpan(ROOT_CONTEXT, span)
    span.end()
    startPart(tracer, 'part', within, options).end()
    const part = recorded.named('part')
    expect(part.parentSpanContext).toMatchObject({ spanId: span.spanContext().spanId })
    expect(part.attributes).toEqual({ part: true })
  })

  test.each([whole(0), INVALID_SPAN_CONTEXT])(
    'has the identity of a whole that is not sampled, and no attributes',
    (context) => {
      const within = trace.setSpanContext(ROOT_CONTEXT, context)
      const part = startPart(trace.getTracer('test'), 'part', within, () => {
        throw new Error('Attributes were made for nothing.')
      })
      expect(part.isRecording()).toBe(false)
      expect(part.spanContext()).toEqual(context)
    },
  )
})
