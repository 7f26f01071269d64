import { context, metrics, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import { contextOf, conventions, metrics as definitions, rpcSystem, traceField } from '@verdict/protocol/telemetry'
import { median } from './median.ts'

const spansPerRun = 200_000
const runs = 5

/**
 * What one span costs when no SDK is registered, in microseconds: its parent from a message, the span with its attributes, work
 * under it, the field of a message that it sends, and one measurement. A median of runs in this process.
 */
export function noOpSpanMicroseconds(): number {
  const tracer = trace.getTracer('@verdict/bench')
  const { name, options } = definitions.clientCall
  const histogram = metrics.getMeter('@verdict/bench').createHistogram(name, options)
  let messages = 0
  const oneSpan = (method: string): void => {
    const parent = contextOf(undefined, ROOT_CONTEXT)
    const attributes = { [conventions.rpcSystem]: rpcSystem, [conventions.rpcMethod]: method }
    const span = tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes }, parent)
    const active = trace.setSpan(parent, span)
    const message = context.with(active, () => ({ method, ...traceField(span.spanContext()) }))
    if (span.isRecording()) span.setAttribute('verdict.messages', messages)
    if (message.method === method) messages += 1
    histogram.record(0.001, { [conventions.rpcMethod]: method })
    span.end()
  }
  const times = Array.from({ length: runs }, () => {
    const startedMs = performance.now()
    for (let made = 0; made < spansPerRun; made += 1) oneSpan('bank-a/move')
    return ((performance.now() - startedMs) * 1_000) / spansPerRun
  })
  if (messages !== runs * spansPerRun) throw new Error('unreachable: a span sent no message')
  return median(times)
}
