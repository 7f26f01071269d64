import { type Context, ROOT_CONTEXT, type Span, type Tracer } from '@opentelemetry/api'
import type { DecisionRecord, ParticipantName, ReportedHazard } from '@verdict/protocol'
import { labels, linksTo, methodName, methods, spanAttributes, startPart } from '@verdict/protocol/telemetry'
import type { DeliveryEvent } from './delivery.ts'
import { abandon, fail, type TraceField, toParticipant, traceOf } from './span.ts'

/** An outcome on its way to one participant. */
interface Telling {
  readonly span: Span
  readonly attempt: number
}

/** Why an outcome is told once more, by code and by words. */
const notAcknowledged = { code: 'timeout', message: 'not acknowledged in time, sent again' }
const notHeard = { code: 'unreachable', message: 'nobody listened there, sent again to any instance' }

/**
 * The spans of one outcome: each sending to a participant, until that has acknowledged or is told again. Whoever decided waits for the
 * first one; all others, and those of a decision that was found in the store, are traces of their own.
 */
export class DeliveryTracing {
  private readonly record: DecisionRecord
  private readonly within: Context | undefined
  private readonly tracer: Tracer
  private readonly tellings = new Map<ParticipantName, Telling>()

  /** @param within where it was decided just now; undefined when it was found in the store. */
  constructor(tracer: Tracer, record: DecisionRecord, within: Context | undefined) {
    this.tracer = tracer
    this.record = record
    this.within = within
  }

  /** A participant is told the outcome. Returns what the message carries. */
  telling(participant: ParticipantName, cause: DeliveryEvent['kind']): TraceField {
    const { id, outcome, trace: transaction } = this.record
    const before = this.tellings.get(participant)
    const attempt = (before?.attempt ?? 0) + 1
    if (before !== undefined) {
      const { code, message } = cause === 'unreachable' ? notHeard : notAcknowledged
      this.end(before.span, (span) => fail(span, code, message))
    }
    const method = methodName(participant, methods.outcome)
    const options = () => {
      const made = toParticipant(method, id, participant)
      made.attributes[labels.outcome] = outcome
      if (attempt > 1) made.attributes[spanAttributes.attempt] = attempt
      return made
    }
    const span =
      this.within !== undefined && attempt === 1
        ? startPart(this.tracer, method, this.within, options)
        : this.tracer.startSpan(method, { ...options(), links: linksTo([transaction]) }, ROOT_CONTEXT)
    this.tellings.set(participant, { span, attempt })
    return traceOf(span, transaction)
  }

  /** A participant has acknowledged the outcome. */
  acknowledged(participant: ParticipantName): void {
    const telling = this.tellings.get(participant)
    if (telling !== undefined) this.end(telling.span)
    this.tellings.delete(participant)
  }

  /** A participant could not honour the outcome: that ends what it was told, since nobody knows whether it will acknowledge it. */
  hazardous(participant: ParticipantName, hazard: ReportedHazard): void {
    const telling = this.tellings.get(participant)
    if (telling === undefined) return
    this.end(telling.span, (span) => {
      span.setAttribute(labels.hazard, hazard)
      fail(span, hazard, 'the participant could not honour the outcome')
    })
  }

  /** It goes on in the store: whoever is told once and does not hear it asks. */
  toldOnce(): void {
    for (const { span } of this.tellings.values()) this.end(span)
    this.tellings.clear()
  }

  /** Nobody insists any more: the leader leads no more, or the log has forgotten the transaction. */
  abandoned(why: string): void {
    for (const { span } of this.tellings.values()) if (span.isRecording()) abandon(span, why)
    this.tellings.clear()
  }

  /** A hazard may have ended it before. */
  private end(span: Span, describe?: (span: Span) => void): void {
    if (!span.isRecording()) return
    describe?.(span)
    span.end()
  }
}
