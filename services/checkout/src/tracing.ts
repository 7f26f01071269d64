import type { IncomingMessage } from 'node:http'
import {
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import manifest from '../package.json' with { type: 'json' }

/** Methods that a span names; others come from strangers, and there is no end of them. */
const methods: readonly (string | undefined)[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

const tracer = trace.getTracer(manifest.name, manifest.version)

/** What is known of a request once it is answered. */
export interface Answered {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** What went wrong here, for a 5xx: `error.type`. */
  readonly error?: Error
}

/**
 * Answers a request inside a span of kind SERVER, the child of the caller's when the headers name one. Whatever `answer` does belongs
 * to it. The reply's header `traceresponse` tells the caller which trace that is (W3C Trace Context, level 2).
 */
export async function traced<Reply extends Answered>(
  request: IncomingMessage,
  route: string | undefined,
  answer: () => Promise<Reply>,
): Promise<Reply> {
  const method = methods.includes(request.method) ? request.method : undefined
  const name = [method ?? 'HTTP', route].filter((part) => part !== undefined).join(' ')
  const attributes = {
    'http.request.method': method ?? '_OTHER',
    ...(method === undefined ? { 'http.request.method_original': request.method } : {}),
    ...(route === undefined ? {} : { 'http.route': route }),
    'url.path': request.url?.split('?', 1)[0],
    'url.scheme': 'http',
  }
  const parent = propagation.extract(ROOT_CONTEXT, request.headers)
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent)
  const reply = await context.with(trace.setSpan(parent, span), answer)
  span.setAttribute('http.response.status_code', reply.status)
  if (reply.status >= 500) {
    span.setStatus({ code: SpanStatusCode.ERROR })
    span.setAttribute('error.type', reply.error?.name ?? String(reply.status))
    if (reply.error !== undefined) span.recordException(reply.error)
  }
  span.end()
  const { traceId, spanId, traceFlags } = span.spanContext()
  if (!isSpanContextValid(span.spanContext())) return reply
  const traceresponse = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  return { ...reply, headers: { ...reply.headers, traceresponse } }
}
