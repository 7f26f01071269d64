import { createRequire } from 'node:module'
import type { Seen } from './picture.ts'

/** What of `@elastic/mockotlpserver` is used here; it brings no types. */
interface Server {
  readonly httpUrl: string
  start(): Promise<void>
  close(): Promise<void>
}
interface Options {
  readonly logLevel: string
  readonly services: readonly string[]
  readonly httpPort: number
  readonly onTrace: (request: unknown) => void
}
interface Received {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly spans: readonly OtlpSpan[] }[]
  }[]
}
interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: string
  readonly startTimeUnixNano: string
  readonly attributes?: Readonly<Record<string, unknown>>
  readonly events?: readonly { readonly name: string }[]
  readonly links?: readonly { readonly spanId: string }[]
  readonly status?: { readonly code?: string }
}
const require = createRequire(import.meta.url)
const { MockOtlpServer, normalizeTrace } = require('@elastic/mockotlpserver') as {
  readonly MockOtlpServer: new (options: Options) => Server
  readonly normalizeTrace: (request: unknown) => Received
}

/** A receiver of OTLP in this process. */
export class Receiver implements AsyncDisposable {
  readonly #spans: (OtlpSpan & { readonly scope: string })[] = []
  readonly #server: Server = new MockOtlpServer({
    logLevel: 'fatal',
    services: ['http'],
    httpPort: 0,
    onTrace: (request) => {
      for (const { scope, spans } of normalizeTrace(request).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans)) {
        this.#spans.push(...spans.map((span) => ({ ...span, scope: scope.name })))
      }
    },
  })

  static async start(): Promise<Receiver> {
    const receiver = new Receiver()
    await receiver.#server.start()
    return receiver
  }

  get url(): string {
    return this.#server.httpUrl
  }

  /** Spans that began within this time, by the wall clock in milliseconds; the earliest first. */
  between(fromMs: number, toMs: number): readonly Seen[] {
    return this.#spans
      .filter((span) => startMs(span) >= fromMs && startMs(span) < toMs)
      .toSorted((one, other) => startMs(one) - startMs(other))
      .map((span) => ({
        traceId: span.traceId,
        id: span.spanId,
        parent: span.parentSpanId === '' ? undefined : span.parentSpanId,
        name: span.name,
        kind: span.kind.replace('SPAN_KIND_', ''),
        scope: span.scope,
        attributes: span.attributes ?? {},
        failed: span.status?.code === 'STATUS_CODE_ERROR',
        events: (span.events ?? []).map(({ name }) => name),
        links: (span.links ?? []).map(({ spanId }) => spanId),
      }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close()
  }
}

function startMs({ startTimeUnixNano }: OtlpSpan): number {
  return Number(BigInt(startTimeUnixNano) / 1_000n) / 1_000
}
