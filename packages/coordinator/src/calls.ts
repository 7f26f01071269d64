import { type Context, ROOT_CONTEXT, type Span, SpanKind, type Tracer, trace } from '@opentelemetry/api'
import type { Abort, Commit, Decided, Look } from '@verdict/protocol'
import {
  contextOf,
  conventions,
  coordinatorService,
  labels,
  methodName,
  methods,
  rpcSystem,
  spanAttributes,
  spanEvents,
} from '@verdict/protocol/telemetry'
import { abandon, describeReason, fail, leadershipLost } from './span.ts'

/** A request that a leader has taken and not answered yet. */
export interface Call {
  readonly span: Span
  /** What is done for it is done within this context. */
  readonly context: Context
  /** It was answered, the first time or again. */
  readonly answered: (answer: Decided['answer']) => void
  /** It will not be answered here. */
  readonly dropped: (why: string) => void
}

/** The server spans of a leader: each request from its arrival until it is answered, once however often it comes. */
export class Calls {
  private readonly tracer: Tracer
  private readonly open = new Map<string, Call>()

  constructor(tracer: Tracer) {
    this.tracer = tracer
  }

  /** A request arrived. The same one may be under way already; then it joins that one. */
  received(request: Commit | Abort): Call {
    const { id, digest, list, type } = request
    const key = `${type} ${id} ${digest}`
    const known = this.open.get(key)
    if (known !== undefined) {
      known.span.addEvent(spanEvents.repeated)
      return known
    }
    const span = this.start(methods[type], request, {
      [spanAttributes.transaction]: id,
      [spanAttributes.branches]: list.length,
      [labels.mode]: list[0]?.kind === 'oneShot' ? 'one-shot' : 'interactive',
    })
    const call: Call = {
      span,
      context: trace.setSpan(ROOT_CONTEXT, span),
      answered: (answer) => {
        if (!this.open.delete(key)) return
        describeAnswer(span, answer)
        span.end()
      },
      dropped: (why) => {
        if (this.open.delete(key)) abandon(span, why)
      },
    }
    this.open.set(key, call)
    return call
  }

  /** A look arrived; returns what ends its span. */
  looked(request: Look): (failure?: string) => void {
    const span = this.start(methods.look, request, { [spanAttributes.inquired]: request.ids.length })
    return (failure) => (failure === undefined ? span.end() : abandon(span, failure))
  }

  /** Nothing is answered any more. */
  stop(): void {
    for (const call of this.open.values()) call.dropped(leadershipLost)
  }

  private start(
    method: string,
    { trace: from }: Commit | Abort | Look,
    attributes: Readonly<Record<string, string | number>>,
  ): Span {
    const name = methodName(coordinatorService, method)
    const options = {
      kind: SpanKind.SERVER,
      attributes: { [conventions.rpcSystem]: rpcSystem, [conventions.rpcMethod]: name, ...attributes },
    }
    return this.tracer.startSpan(name, options, contextOf(from, ROOT_CONTEXT))
  }
}

function describeAnswer(span: Span, answer: Decided['answer']): void {
  if (!span.isRecording()) return
  switch (answer.kind) {
    case 'committed':
      span.setAttributes({ [labels.outcome]: 'committed', [labels.path]: 'logged' })
      return
    case 'read-only':
      span.setAttributes({ [labels.outcome]: 'committed', [labels.path]: 'read-only' })
      return
    case 'aborted':
      span.setAttributes({ [labels.outcome]: 'aborted', [labels.path]: 'logged' })
      describeReason(span, answer.reason)
      return
    case 'refused':
      describeReason(span, answer.reason)
      fail(span, answer.reason.code, answer.reason.message)
      return
    case 'expired':
      fail(span, answer.kind, 'nothing of its epoch is recorded any more')
      return
    case 'conflict':
      fail(span, answer.kind, 'the transaction was decided under another list')
      return
    case 'pending':
      fail(span, answer.kind, 'not decided here; the asker asks again')
      return
  }
}
