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
