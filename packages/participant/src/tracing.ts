import {
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { InstanceId, ParticipantName, Reason, TraceContext, TransactionId } from '@verdict/protocol'
import {
  contextOf,
  conventions,
  coordinatorService,
  isRecorded,
  isSampled,
  labels,
  linksTo,
  methodName,
  methods,
  otherLabel,
  rpcSystem,
  spanAttributes,
  spanNames,
} from '@verdict/protocol/telemetry'
import type { Told } from './ending.ts'
import type { Inquire } from './recovery.ts'
import { version } from './version.ts'

/** A span, and the context in which its work is done. */
export interface Work {
  readonly span: Span
  readonly context: Context
}

/** A question of a leader or an owner, from its arrival until it is answered. */
export interface Asked extends Work {
  readonly arrivedAtMs: number
}

/** How an outcome came here. */
export interface Notice {
  /** The context of whoever sent it, or of the transaction. */
  readonly trace: TraceContext | undefined
  /** Whether somebody waits for its acknowledgement: then the sender's span is the parent, and else a link. */
  readonly awaited: boolean
}

export interface Traced {
  readonly participant: ParticipantName
  readonly instance: InstanceId
  readonly operations: Readonly<Record<string, unknown>>
}

/** Links of one inquiry: it may ask about hundreds, and whoever reads it follows a few. */
const maxLinksPerInquiry = 32

/** The spans of one instance. Without a set-up SDK, and where the caller's trace is not sampled, they record nothing. */
export class Tracing {
  readonly #tracer: Tracer = trace.getTracer('@verdict/participant', version)
  readonly #participant: ParticipantName
  readonly #calls: ReadonlyMap<string, SpanOptions>
  readonly #unknownCall: SpanOptions
  readonly #prepare: SpanOptions
  readonly #alone: SpanOptions
  readonly #outcome: SpanOptions
  /** Whether this process has a sampler that does not follow the caller's: seen once it has recorded what no caller did. */
  #recordsUnsampled = false

  constructor({ participant, instance, operations }: Traced) {
    const server = (method: string): SpanOptions => ({
      kind: SpanKind.SERVER,
      attributes: {
        [conventions.rpcSystem]: rpcSystem,
        [conventions.rpcMethod]: method,
        [labels.participant]: participant,
        [spanAttributes.instance]: instance,
      },
    })
    this.#participant = participant
    this.#calls = new Map(Object.keys(operations).map((name) => [name, server(methodName(participant, name))]))
    this.#unknownCall = server(otherLabel)
    this.#prepare = server(methodName(participant, methods.prepare))
    this.#alone = server(methodName(participant, methods.alone))
    this.#outcome = server(methodName(participant, methods.outcome))
  }

  /** A client's call of an operation, from its arrival until it is answered. */
  call(operation: string, id: TransactionId, from: TraceContext | undefined): Work {
    const known = this.#calls.get(operation)
    const name = methodName(this.#participant, known === undefined ? otherLabel : operation)
    return this.#serve(name, known ?? this.#unknownCall, id, from)
  }

  /** A leader's question for a vote, from its arrival until the vote leaves. `branch` is the trace that the branch was opened in. */
  prepare(id: TransactionId, from: TraceContext | undefined, branch: TraceContext | undefined): Work {
    const name = methodName(this.#participant, methods.prepare)
    return this.#unrecorded(from, branch) ?? this.#serve(name, this.#prepare, id, from)
  }

  /** An owner's request to commit alone, from its arrival until it is answered. */
  alone(id: TransactionId, from: TraceContext | undefined): Work {
    const name = methodName(this.#participant, methods.alone)
    return this.#serve(name, this.#alone, id, from)
  }

  /**
   * An outcome, from being told until it is acknowledged or given up to the next attempt, which is a trace of its own. `branch` is the trace
   * that the branch was opened in, where this instance knows it.
   */
  outcome(
    id: TransactionId,
    told: Told,
    { trace: from, awaited }: Notice,
    attempt: number,
    branch: TraceContext | undefined,
  ): Work {
    const name = methodName(this.#participant, methods.outcome)
    const isFirst = awaited && attempt === 1
    const unrecorded = isFirst ? this.#unrecorded(from, branch) : undefined
    if (unrecorded !== undefined) return unrecorded
    const options = isFirst ? this.#outcome : { ...this.#outcome, root: true, links: linksTo([from]) }
    const work = this.#serve(name, options, id, isFirst ? from : undefined)
    if (told.kind === 'committed' || told.kind === 'aborted') work.span.setAttribute(labels.outcome, told.kind)
    if (attempt > 1) work.span.setAttribute(spanAttributes.attempt, attempt)
    return work
  }

  /** Sends an inquiry, within a span that ends when it is sent. */
  inquire({ group, branches }: Inquire, send: () => void): void {
    const method = methodName(coordinatorService, methods.inquiry)
    const traces = branches.flatMap(({ trace: of }) => (of === undefined ? [] : [of]))
    const options: SpanOptions = {
      kind: SpanKind.CLIENT,
      root: true,
      links: linksTo(traces.slice(0, maxLinksPerInquiry)),
      attributes: {
        [conventions.rpcSystem]: rpcSystem,
        [conventions.rpcMethod]: method,
        [labels.participant]: this.#participant,
        [spanAttributes.group]: group,
        [spanAttributes.inquired]: branches.length,
      },
    }
    const span = this.#tracer.startSpan(method, options, ROOT_CONTEXT)
    context.with(trace.setSpan(ROOT_CONTEXT, span), send)
    span.end()
  }

  /** One operation of a one-shot: a part of the active span, like the rest of what leads to its vote. */
  operation<T>(name: string, run: () => Promise<T>, refusal: (came: T) => Reason | undefined): Promise<T> {
    return this.#part(methodName(this.#participant, this.#calls.has(name) ? name : otherLabel), run, refusal)
  }

  /** Waiting for room, and the opening of the local transaction. */
  open<T>(run: () => Promise<T>, refusal: (came: T) => Reason | undefined): Promise<T> {
    return this.#part(spanNames.open, run, refusal)
  }

  /**
   * Work on a branch that was opened in a trace which is not recorded, for a message in the same: it has the caller's identity, and no
   * sampler is asked again what it has answered for the call.
   */
  #unrecorded(from: TraceContext | undefined, branch: TraceContext | undefined): Work | undefined {
    if (from === undefined || branch === undefined || this.#recordsUnsampled) return undefined
    if (isSampled(from) || isSampled(branch)) return undefined
    const caller = contextOf(from, ROOT_CONTEXT)
    const span = trace.getSpan(caller)
    return span === undefined ? undefined : { span, context: caller }
  }

  #serve(name: string, options: SpanOptions, id: TransactionId, from: TraceContext | undefined): Work {
    const parent = contextOf(from, ROOT_CONTEXT)
    const span = this.#tracer.startSpan(name, options, parent)
    span.setAttribute(spanAttributes.transaction, id)
    const caller = trace.getSpan(parent)
    if (caller !== undefined && !isRecorded(caller) && span.isRecording()) this.#recordsUnsampled = true
    return { span, context: trace.setSpan(parent, span) }
  }

  /** Where nothing is recorded `run` is called as if there were no tracing at all, and takes no turn more. */
  #part<T>(name: string, run: () => Promise<T>, refusal: (came: T) => Reason | undefined): Promise<T> {
    if (trace.getActiveSpan()?.isRecording() !== true) return run()
    const span = this.#tracer.startSpan(name)
    return context.with(trace.setSpan(context.active(), span), async () => {
      try {
        const came = await run()
        const reason = refusal(came)
        if (reason !== undefined) markRefused(span, reason)
        return came
      } finally {
        span.end()
      }
    })
  }
}

/** Marks a span whose own answer is a refusal. */
export function markRefused(span: Span, { code, message }: Reason): void {
  markFailed(span, code)
  span.setAttribute(spanAttributes.reasonCode, code)
  span.setAttribute(spanAttributes.reasonMessage, message)
}

/** Marks a span whose own answer is none, for a cause that a few words name. */
export function markFailed(span: Span, errorType: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR })
  span.setAttribute(conventions.errorType, errorType)
}

/** Keeps what user code or a resource threw, though it should not have, with the span that is active. */
export function recordThrown(error: unknown): void {
  const span = trace.getActiveSpan()
  if (span?.isRecording()) span.recordException(error instanceof Error ? error : String(error))
}
