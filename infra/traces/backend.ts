import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ended, Guard, lineOf } from '../process.ts'

const exportEveryMs = 500 // less is lost with a process that is killed, and seen sooner, than with the SDK's five seconds
const metricsEveryMs = 2_000 // so that a demo of some seconds has more than one point to draw
const queuedSpans = 50_000 // of one service: every span is kept, and the backend takes fewer a second than a busy shop makes
const tailTraces = 2_000 // a page shows one of the last traces only, and loads them all: 13 MB of this many

/** A span as the backend gives it back. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  /** A root has none. */
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: 'INTERNAL' | 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER'
  /** Milliseconds since 1970, with fractions. */
  readonly startTime: number
  readonly endTime: number
  readonly status: { readonly code: 'UNSET' | 'OK' | 'ERROR'; readonly message?: string }
  /** With those of the resource, `service.name` among them. */
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: readonly { readonly name: string; readonly attributes?: Readonly<Record<string, unknown>> }[]
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
}

/** A trace as far as the backend has it. */
export interface Trace {
  readonly traceId: string
  readonly spans: readonly Span[]
}

/**
 * An OpenTelemetry backend with pages to look at, from npm: `autotel-devtools`. It listens on the loopback interface alone, keeps what it
 * is sent in memory, and ends with this process.
 */
export class TraceBackend implements AsyncDisposable {
  /** Its pages, and the endpoint for exporters: `http://127.0.0.1:<port>`. */
  readonly url: string
  readonly #child: ChildProcess
  readonly #guard: Guard

  private constructor(url: string, child: ChildProcess, guard: Guard) {
    this.url = url
    this.#child = child
    this.#guard = guard
  }

  /** Starts it on a port that the system picks. */
  static async start(): Promise<TraceBackend> {
    // The package exports no path of its program; it lies beside what is exported.
    const program = join(dirname(createRequire(import.meta.url).resolve('autotel-devtools')), 'cli.js')
    const args = [
      '--no-warnings',
      program,
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--grpc-port',
      '0',
      '--title',
      'Verdict',
    ]
    const child = spawn(process.execPath, args, {
      cwd: tmpdir(),
      env: {
        PATH: process.env['PATH'],
        AUTOTEL_MAX_TRACE_COUNT: String(tailTraces),
        AUTOTEL_DEVTOOLS_SOURCE_ROOT: 'false', // else its pages could read the files of its folder
      },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true, // a terminal's Ctrl-C is for whoever started us
    })
    const guard = new Guard('KILL')
    guard.watch(child)
    const [, url = ''] = await lineOf(child.stdout, /UI: +(http:\/\/127\.0\.0\.1:\d+)/, 'autotel-devtools')
    return new TraceBackend(url, child, guard)
  }

  /** Variables that let a service send its traces, metrics and logs here. */
  get environment(): Readonly<Record<string, string>> {
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: this.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', // it answers every export with JSON, which exporters of protobuf complain about
      OTEL_BSP_SCHEDULE_DELAY: String(exportEveryMs),
      OTEL_BSP_MAX_QUEUE_SIZE: String(queuedSpans),
      OTEL_BLRP_SCHEDULE_DELAY: String(exportEveryMs),
      OTEL_METRIC_EXPORT_INTERVAL: String(metricsEveryMs),
      OTEL_METRIC_EXPORT_TIMEOUT: String(metricsEveryMs), // the SDK wants it to be no longer than the interval
    }
  }

  /** The page that shows one trace. */
  pageOf(traceId: string): string {
    return `${this.url}/#trace=${traceId}`
  }

  /**
   * The newest traces, at most `limit`, with a span that the query fits; the language is the backend's own:
   * `name = "take up"`, `link.trace_id = "…"`, `"verdict.outcome" = committed`, joined by AND.
   */
  async traces(query: string, limit = 20): Promise<Trace[]> {
    const response = await fetch(`${this.url}/api/query/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, limit }),
    })
    if (!response.ok) throw new Error(`The trace backend refused the query ${query}: ${await response.text()}`)
    return ((await response.json()) as { traces: Trace[] }).traces
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL') // it keeps nothing
    await ended(this.#child)
    this.#guard.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
