import { createRequire } from 'node:module'

/** What of `@elastic/mockotlpserver` is used here; it brings no types. */
interface Server {
  readonly httpUrl: string
  start(): Promise<void>
  close(): Promise<void>
}
interface Received {
  onTrace(request: { readonly resourceSpans: readonly ResourceSpans[] }): void
  onMetrics(request: { readonly resourceMetrics: readonly ResourceMetrics[] }): void
  onLogs(request: { readonly resourceLogs: readonly ResourceLogs[] }): void
}
type Options = Partial<Received> & { readonly logLevel: string; readonly services: string[]; readonly httpPort: number }
const require = createRequire(import.meta.url)
const { MockOtlpServer } = require('@elastic/mockotlpserver') as {
  readonly MockOtlpServer: new (options: Options) => Server
}

interface Value {
  readonly stringValue?: string
}
interface Attribute {
  readonly key: string
  readonly value: Value
}
interface FromResource {
  readonly resource: { readonly attributes: readonly Attribute[] }
}
interface ResourceSpans extends FromResource {
  readonly scopeSpans: readonly { readonly spans: readonly Span[] }[]
}
interface ResourceMetrics extends FromResource {
  readonly scopeMetrics: readonly { readonly metrics: readonly { readonly name: string }[] }[]
}
interface ResourceLogs extends FromResource {
  readonly scopeLogs: readonly { readonly logRecords: readonly LogRecord[] }[]
}
interface Span {
  readonly name: string
  readonly traceId: Uint8Array | string
  readonly spanId: Uint8Array | string
}
interface LogRecord {
  readonly body: Value
  readonly severityText: string
  readonly attributes: readonly Attribute[]
  readonly traceId: Uint8Array | string
  readonly spanId: Uint8Array | string
}

/** An OpenTelemetry collector in this process: what was exported to it, in short. */
export class Collector implements AsyncDisposable {
  readonly resources: Record<string, string | undefined>[] = []
  readonly spans: { readonly name: string; readonly traceId: string; readonly spanId: string }[] = []
  readonly metrics: string[] = []
  readonly logs: {
    readonly body: string | undefined
    readonly severity: string
    readonly traceId: string
    readonly spanId: string
    readonly attributes: Record<string, string | undefined>
  }[] = []
  readonly #server: Server

  private constructor() {
    this.#server = new MockOtlpServer({
      logLevel: 'fatal',
      services: ['http'],
      httpPort: 0,
      onTrace: ({ resourceSpans }) => {
        for (const { resource, scopeSpans } of resourceSpans) {
          this.resources.push(textsOf(resource.attributes))
          for (const { name, traceId, spanId } of scopeSpans.flatMap(({ spans }) => spans)) {
            this.spans.push({ name, traceId: hex(traceId), spanId: hex(spanId) })
          }
        }
      },
      onMetrics: ({ resourceMetrics }) => {
        for (const { resource, scopeMetrics } of resourceMetrics) {
          this.resources.push(textsOf(resource.attributes))
          this.metrics.push(...scopeMetrics.flatMap(({ metrics }) => metrics).map(({ name }) => name))
        }
      },
      onLogs: ({ resourceLogs }) => {
        for (const { resource, scopeLogs } of resourceLogs) {
          this.resources.push(textsOf(resource.attributes))
          for (const record of scopeLogs.flatMap(({ logRecords }) => logRecords)) {
            this.logs.push({
              body: record.body.stringValue,
              severity: record.severityText,
              traceId: hex(record.traceId),
              spanId: hex(record.spanId),
              attributes: textsOf(record.attributes),
            })
          }
        }
      },
    })
  }

  static async start(): Promise<Collector> {
    const collector = new Collector()
    await collector.#server.start()
    return collector
  }

  get url(): string {
    return this.#server.httpUrl
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close()
  }
}

function textsOf(attributes: readonly Attribute[]): Record<string, string | undefined> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]))
}

/** An id as text: the two encodings of OTLP have it in different forms. */
function hex(id: Uint8Array | string | undefined): string {
  return typeof id === 'string' ? id : Buffer.from(id ?? []).toString('hex')
}
