/** W3C trace context as it travels with each message and stays in records. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string
}

const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** Characters of a `tracestate`: the length that W3C asks everybody to carry. */
export const maxTracestateLength = 512

export function isTraceparent(text: string): boolean {
  return traceparentPattern.test(text)
}

/** The trace context that a propagator wrote into a carrier; undefined when it is none that may travel. */
export function readTraceContext(carrier: {
  readonly traceparent?: string
  readonly tracestate?: string
}): TraceContext | undefined {
  const { traceparent, tracestate } = carrier
  if (traceparent === undefined || !isTraceparent(traceparent)) return undefined
  if (!tracestate || tracestate.length > maxTracestateLength) return { traceparent }
  return { traceparent, tracestate }
}
