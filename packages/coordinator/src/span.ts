import { type Span, SpanKind, type SpanOptions, SpanStatusCode } from '@opentelemetry/api'
import type { ParticipantName, Reason, TraceContext, TransactionId } from '@verdict/protocol'
import { conventions, labels, rpcSystem, spanAttributes, traceField } from '@verdict/protocol/telemetry'

/** What travels with a message. */
export interface TraceField {
  readonly trace?: TraceContext
}

/** Why work of a leader ends before it is done. */
export const leadershipLost = 'leadership lost; whoever leads next goes on'

/** How the span of a message to a participant is made that has to be answered. */
export function toParticipant(
  method: string,
  id: TransactionId,
  participant: ParticipantName,
): SpanOptions & { readonly attributes: Record<string, string | number> } {
  return {
    kind: SpanKind.CLIENT,
    attributes: {
      [conventions.rpcSystem]: rpcSystem,
      [conventions.rpcMethod]: method,
      [spanAttributes.transaction]: id,
      [labels.participant]: participant,
    },
  }
}

/** A span as a message carries it. Without an SDK a root span is none: then the message carries the transaction's own trace. */
export function traceOf(span: Span, transaction: TraceContext | undefined): TraceField {
  const field = traceField(span.spanContext())
  return field.trace === undefined && transaction !== undefined ? { trace: transaction } : field
}

/** Says why, by code and by words. */
export function describeReason(span: Span, { code, message }: Pick<Reason, 'code' | 'message'>): void {
  span.setAttributes({ [spanAttributes.reasonCode]: code, [spanAttributes.reasonMessage]: message })
}

/** Marks a span as failed, for a cause that has a code. */
export function fail(span: Span, code: string, message: string): void {
  span.setAttribute(conventions.errorType, code)
  span.setStatus({ code: SpanStatusCode.ERROR, message })
}

/** Ends what will not come to its end here. */
export function abandon(span: Span, why: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: why })
  span.end()
}
