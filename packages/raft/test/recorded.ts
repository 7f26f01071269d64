import { context, type DiagLogger, diag, metrics, type SpanContext, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { type DataPoint, type Histogram, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'

class ReaderOnDemand extends MetricReader {
  protected onForceFlush(): Promise<void> {
    return Promise.resolve()
  }

  protected onShutdown(): Promise<void> {
    return Promise.resolve()
  }
}

/** An SDK in this process, for one test: what was recorded stays here. */
export class Recorded {
  private readonly exporter = new InMemorySpanExporter()
  private readonly reader = new ReaderOnDemand()

  /** What the SDK complains of: a span that is ended twice, or used after its end. */
  readonly complaints: string[] = []

  constructor(sampler?: Sampler) {
    diag.setLogger(this.complaining())
    const spanProcessors = [new SimpleSpanProcessor({ exporter: this.exporter })]
    trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors, ...(sampler === undefined ? {} : { sampler }) }))
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [this.reader] }))
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  }

  /** The process is as before. */
  static end(): void {
    trace.disable()
    metrics.disable()
    context.disable()
    diag.disable()
  }

  private complaining(): DiagLogger {
    const complain = (message: string): void => void this.complaints.push(message)
    const ignore = (): void => {}
    return { error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore }
  }

  /** Ended spans, in the order in which they began. */
  get spans(): readonly ReadableSpan[] {
    return this.exporter.getFinishedSpans().toSorted((one, other) => startOf(one) - startOf(other))
  }

  named(name: string): ReadableSpan {
    const [found, another] = this.spans.filter((span) => span.name === name)
    if (found === undefined || another !== undefined) throw new Error(`There is not just one span ${name}.`)
    return found
  }

  /** The values of a metric, with the attributes of each. */
  async points(name: string): Promise<readonly DataPoint<number | Histogram>[]> {
    const { resourceMetrics } = await this.reader.collect()
    return resourceMetrics.scopeMetrics
      .flatMap((scope) => scope.metrics)
      .filter(({ descriptor }) => descriptor.name === name)
      .flatMap(({ dataPoints }) => dataPoints as DataPoint<number | Histogram>[])
  }
}

function startOf({ startTime: [seconds, nanoseconds] }: ReadableSpan): number {
  return seconds * 1e9 + nanoseconds
}

/** The ids of what a span is linked with. */
export function linked(span: ReadableSpan): readonly string[] {
  return span.links.map((link) => link.context.spanId)
}

export function idOf(span: { spanContext(): SpanContext }): string {
  return span.spanContext().spanId
}
