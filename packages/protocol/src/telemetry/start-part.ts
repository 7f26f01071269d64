import { type Context, type Span, type SpanOptions, TraceFlags, type Tracer, trace } from '@opentelemetry/api'

/**
 * Starts a span for a part of the work that `within` is for. Where nothing of that is recorded, nothing of the part is, and it costs
 * nothing: it has the identity of the whole.
 */
export function startPart(tracer: Tracer, name: string, within: Context, options?: () => SpanOptions): Span {
  const whole = trace.getSpan(within)
  if (whole !== undefined && !isRecorded(whole)) return trace.wrapSpanContext(whole.spanContext())
  return tracer.startSpan(name, options?.() ?? {}, within)
}

/** Whether somebody will find this span: here, or where it was made. It may have ended. */
export function isRecorded(span: Span): boolean {
  return span.isRecording() || (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0
}
