import {
  type Context,
  createTraceState,
  isSpanContextValid,
  type Link,
  type SpanContext,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { maxTracestateLength, type TraceContext } from '../trace.ts'

/** W3C trace context, level 1: the only version that is written, and whose form later versions keep. */
const version = '00'
/** Where the fields of a traceparent begin. Nearly every message has one, so that it is read without being taken apart. */
const [traceIdAt, spanIdAt, flagsAt] = [3, 36, 53]

/**
 * The setter: a span as a message field; nothing when there is none. It is W3C trace context whatever propagators are set up, since
 * it is also kept in records, which outlive a set-up.
 */
export function traceField(span: SpanContext | undefined): { readonly trace?: TraceContext } {
  if (span === undefined || !isSpanContextValid(span)) return {}
  const { traceId, spanId, traceFlags, traceState } = span
  const traceparent = `${version}-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  const tracestate = traceState?.serialize()
  if (!tracestate || tracestate.length > maxTracestateLength) return { trace: { traceparent } }
  return { trace: { traceparent, tracestate } }
}

/** The getter: a context with the span that a message or record names as its remote parent; `onto` when it names none. */
export function contextOf(found: TraceContext | undefined, onto: Context): Context {
  const span = found === undefined ? undefined : spanContextOf(found)
  return span === undefined ? onto : trace.setSpanContext(onto, span)
}

/** Whether the span that this names is recorded by whoever made it, as far as that was decided when it began. */
export function isSampled({ traceparent }: TraceContext): boolean {
  return (flagsOf(traceparent) & TraceFlags.SAMPLED) !== 0
}

/** Links to the spans that these name, for work that no caller waits for. */
export function linksTo(found: Iterable<TraceContext | undefined>): Link[] {
  return [...found].flatMap((one) => {
    const context = one === undefined ? undefined : spanContextOf(one)
    return context === undefined ? [] : [{ context }]
  })
}

function spanContextOf({ traceparent, tracestate }: TraceContext): SpanContext | undefined {
  const span = {
    traceId: traceparent.slice(traceIdAt, traceIdAt + 32),
    spanId: traceparent.slice(spanIdAt, spanIdAt + 16),
    traceFlags: flagsOf(traceparent),
    isRemote: true,
  }
  if (!isSpanContextValid(span)) return undefined
  return tracestate === undefined ? span : { ...span, traceState: createTraceState(tracestate) }
}

function flagsOf(traceparent: string): number {
  return Number.parseInt(traceparent.slice(flagsAt, flagsAt + 2), 16)
}
