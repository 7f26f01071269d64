import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  type DataPoint,
  type Histogram,
  MeterProvider,
  type MetricData,
  MetricReader,
  type ScopeMetrics,
} from '@opentelemetry/sdk-metrics'
import {
  type IdGenerator,
  type ReadableSpan,
  type Span,
  type SpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Simulation } from '@verdict/runtime/simulated'

class ReaderOnDemand extends MetricReader {
  protected async onForceFlush(): Promise<void> {}

  protected async onShutdown(): Promise<void> {}
}

export type Point = DataPoint<number | Histogram>

/** An SDK in this process, for one test: what was recorded stays here. Disposing of it leaves the process as it was before. */
export class Recorded implements Disposable {
  readonly #started: Span[] = []
  readonly #reader = new ReaderOnDemand()

  constructor({ spans = true }: { readonly spans?: boolean } = {}) {
    const spanProcessors = [{ ...keepsNothing, onStart: (span: Span) => void this.#started.push(span) }]
    if (spans) trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors, idGenerator: counting() }))
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

  /** Ended spans, in the order in which they began. */
  get spans(): readonly ReadableSpan[] {
    return this.#started.filter(({ ended }) => ended)
  }

  /** How many spans have begun and not ended. */
  get open(): number {
    return this.#started.filter(({ ended }) => !ended).length
  }

  /** The only ended span of this name. */
  named(name: string): ReadableSpan {
    const [span, another] = this.spans.filter((one) => one.name === name)
    if (span === undefined || another !== undefined) throw new Error(`There is not just one span ${name}.`)
    return span
  }

  /** Forgets the spans so far. */
  forget(): void {
    this.#started.length = 0
  }

  /** What is measured, by the package whose meter it is. */
  async scopes(): Promise<readonly ScopeMetrics[]> {
    return (await this.#reader.collect()).resourceMetrics.scopeMetrics
  }

  async metrics(): Promise<readonly MetricData[]> {
    return (await this.scopes()).flatMap((scope) => scope.metrics)
  }

  /** The values of a metric, with the attributes of each. */
  async points(name: string): Promise<readonly Point[]> {
    const found = (await this.metrics()).filter(({ descriptor }) => descriptor.name === name)
    return found.flatMap(({ dataPoints }) => dataPoints as readonly Point[])
  }

  [Symbol.dispose](): void {
    trace.disable()
    metrics.disable()
    context.disable()
  }
}

/** Ids that are no chance's: a simulation forbids that too. */
function counting(): IdGenerator {
  let last = 0
  const next = (length: number): string => (++last).toString(16).padStart(length, '0')
  return { generateTraceId: () => next(32), generateSpanId: () => next(16) }
}

const keepsNothing: SpanProcessor = {
  onStart: () => undefined,
  onEnd: () => undefined,
  forceFlush: async () => undefined,
  shutdown: async () => undefined,
}

export function idOf(span: ReadableSpan): string {
  return span.spanContext().spanId
}

export function parentOf(span: ReadableSpan): string | undefined {
  return span.parentSpanContext?.spanId
}
