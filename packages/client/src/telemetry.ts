import { context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import type { TraceContext, TransactionId } from '@verdict/protocol'
import {
  conventions,
  labels,
  methodName,
  rpcSystem,
  spanAttributes,
  spanEvents,
  spanNames,
  startPart,
  traceField,
} from '@verdict/protocol/telemetry'
import type { Clock } from '@verdict/runtime'
import { type Ending, endingOf } from './ending.ts'
import { ClientMetering } from './metering.ts'
import type { Receipt } from './receipt.ts'
import { version } from './version.ts'

/** Whom a call asks for what, on behalf of which transaction. */
export interface CallSite {
  readonly service: string
  readonly method: string
  readonly id: TransactionId
}

/** A call under way, for those who send its message. */
export interface TracedCall {
  readonly span: Span
  /** The context that its message carries, however often it is sent. */
  readonly trace: { readonly trace?: TraceContext }
  /** Its message goes out once more. */
  readonly resent: (attempt: number) => void
}

/** What spans and metrics tell of one client: it sees what the client does, and never changes it. */
export class ClientTelemetry {
  private readonly clock: Clock
  private readonly tracer: Tracer = trace.getTracer('@verdict/client', version)
  readonly metering: ClientMetering = new ClientMetering()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Runs a transaction inside its span. It is active for all that is done in it: spans of the caller's function are its children. */
  transaction<T extends { readonly receipt: Receipt }>(
    id: TransactionId,
    mode: 'interactive' | 'one-shot',
    run: (span: Span) => Promise<T>,
  ): Promise<T> {
    const attributes = { [spanAttributes.transaction]: id, [labels.mode]: mode }
    return this.tracer.startActiveSpan(spanNames.transaction, { attributes }, (span) =>
      this.watch(
        span,
        () => run(span),
        ({ receipt }) => ({ outcome: 'committed', path: receipt.path }),
        (durationMs, ending) => this.metering.transaction(durationMs, mode, ending),
      ),
    )
  }

  /** Makes a call inside a span of its own, a child of the active one. */
  call<T>(
    { service, method, id }: CallSite,
    run: (call: TracedCall) => Promise<T>,
    read: (answer: T) => Ending,
  ): Promise<T> {
    const name = methodName(service, method)
    const span = startPart(this.tracer, name, context.active(), () => ({
      kind: SpanKind.CLIENT,
      attributes: {
        [conventions.rpcSystem]: rpcSystem,
        [conventions.rpcMethod]: name,
        [spanAttributes.transaction]: id,
      },
    }))
    const resent = (attempt: number): void => {
      if (span.isRecording()) span.addEvent(spanEvents.resent, { [spanAttributes.attempt]: attempt })
    }
    const call = { span, trace: traceField(span.spanContext()), resent }
    return this.watch(
      span,
      () => run(call),
      read,
      (durationMs, ending) => this.metering.call(durationMs, name, ending),
    )
  }

  private async watch<T>(
    span: Span,
    run: () => Promise<T>,
    read: (done: T) => Ending,
    measure: (durationMs: number, ending: Ending) => void,
  ): Promise<T> {
    const begunMs = this.clock.nowMs()
    let ending: Ending = {}
    try {
      const done = await run()
      ending = read(done)
      return done
    } catch (error) {
      ending = endingOf(error)
      throw error
    } finally {
      describe(span, ending)
      span.end()
      measure(this.clock.nowMs() - begunMs, ending)
    }
  }
}

function describe(span: Span, { outcome, path, reason, failure, exception }: Ending): void {
  if (!span.isRecording()) return
  if (outcome !== undefined) span.setAttribute(labels.outcome, outcome)
  if (path !== undefined) span.setAttribute(labels.path, path)
  const told = failure ?? reason
  if (told !== undefined) {
    span.setAttributes({ [spanAttributes.reasonCode]: told.code, [spanAttributes.reasonMessage]: told.message })
  }
  if (exception !== undefined) span.recordException(exception)
  if (failure === undefined) return
  span.setAttribute(conventions.errorType, failure.code)
  span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message })
}
