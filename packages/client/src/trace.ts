import { context, propagation } from '@opentelemetry/api'
import { readTraceContext, type TraceContext } from '@verdict/protocol'

/** The active span's W3C context as a message field; nothing where no telemetry is set up. */
export function activeTrace(): { readonly trace?: TraceContext } {
  const carrier: { traceparent?: string; tracestate?: string } = {}
  propagation.inject(context.active(), carrier)
  const trace = readTraceContext(carrier)
  return trace === undefined ? {} : { trace }
}
