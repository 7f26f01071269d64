import { context, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { type DataPoint, type Histogram, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import {
  type IdGenerator,
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  type SpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { conventions } from '@verdict/protocol/telemetry'
import type { Simulation } from '@verdict/runtime/simulated'

class ReaderOnDemand extends MetricReader {
  protected async onForceFlush(): Promise<void> {}

  protected async onShutdown(): Promise<void> {}
}

export type Point = DataPoint<number | Histogram>

/** An SDK in this process, for one test: what was recorded stays here. */
export class Recorded implements Disposable {
  /** What began and what ended, in order: the SDK's own times compare no better than to a millisecond. */
  readonly moments: string[] = []
  readonly #exporter = new InMemorySpanExporter()
  readonly #reader = new ReaderOnDemand()

  constructor(sampler?: Sampler) {
    const spanProcessors = [new SimpleSpanProcessor({ exporter: this.#exporter }), this.#watcher()]
    const provider = new TracerProvider({ spanProcessors, idGenerator: counting(), ...(sampler && { sampler }) })
    trace.setGlobalTracerProvider(provider)
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [this.#reader] }))
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  }

  /** Lets the SDK read the time of a simulation, in which the machine's clock cannot be read. */
  follow(simulation: Simulation): void {
    simulation.afterEachStep(() => {
      Date.now = () => simulation.nowMs
      performance.now = () => simulation.nowMs
    })
  }

  /** Ended spans, in the order in which they ended. */
  get spans(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans()
  }

  /** The only span of this name, or the n-th that ended. */
  named(name: string, n?: number): ReadableSpan {
    const found = this.spans.filter((span) => span.name === name)
    const span = found[n ?? 0]
    if (span === undefined || (n === undefined && found.length > 1)) {
      throw new Error(`there are ${found.length} spans ${name}`)
    }
    return span
  }

  /** Spans as lines, children indented below their parents, with kind and error; those without a parent here come first. */
  get tree(): readonly string[] {
    const ids = new Set(this.spans.map(spanId))
    const below = (parent: string | undefined, depth: number): string[] =>
      this.spans
        .filter(({ parentSpanContext: of }) => (of && ids.has(of.spanId) ? of.spanId : undefined) === parent)
        .flatMap((span) => [`${'  '.repeat(depth)}${line(span)}`, ...below(spanId(span), depth + 1)])
    return below(undefined, 0)
  }

  #watcher(): SpanProcessor {
    return {
      onStart: ({ name }) => void this.moments.push(`${name} begins`),
      onEnd: ({ name }) => void this.moments.push(`${name} ends`),
      forceFlush: async () => undefined,
      shutdown: async () => undefined,
    }
  }

  reset(): void {
    this.#exporter.reset()
  }

  /** The values of a metric, with the attributes of each. */
  async points(name: string): Promise<readonly Point[]> {
    return (await this.metrics()).get(name) ?? []
  }

  /** The values of all metrics. */
  async metrics(): Promise<ReadonlyMap<string, readonly Point[]>> {
    const { resourceMetrics } = await this.#reader.collect()
    return new Map(
      resourceMetrics.scopeMetrics
        .flatMap((scope) => scope.metrics)
        .map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints as Point[]]),
    )
  }

  /** The process is as before. */
  [Symbol.dispose](): void {
    trace.disable()
    metrics.disable()
    context.disable()
  }
}

/** Ids without randomness, which a simulation forbids. */
function counting(): IdGenerator {
  let last = 0
  const next = (length: number): string => {
    last += 1
    return last.toString(16).padStart(length, 'f')
  }
  return { generateTraceId: () => next(32), generateSpanId: () => next(16) }
}

/** Lets what a test set off outside of a simulation go on outside of it: only there can the SDK read a clock at any time. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export function spanId(span: ReadableSpan): string {
  return span.spanContext().spanId
}

function line({ kind, name, status, attributes }: ReadableSpan): string {
  const failure = status.code === SpanStatusCode.ERROR ? ` !${String(attributes[conventions.errorType])}` : ''
  return `${SpanKind[kind]} ${name}${failure}`
}
