/** W3C trace context as it travels with each message and stays in records. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string
}
