import { type Context, context, ROOT_CONTEXT, type Span, type Tracer, trace } from '@opentelemetry/api'
import {
  type Decision,
  type HeldBranch,
  type Outcome,
  type ParticipantName,
  type Reason,
  reasonCodes,
  type TraceContext,
  type TransactionId,
} from '@verdict/protocol'
import {
  labels,
  linksTo,
  methodName,
  methods,
  spanAttributes,
  spanEvents,
  spanNames,
  startPart,
} from '@verdict/protocol/telemetry'
import type { Call } from './calls.ts'
import type { Commit } from './commit-state.ts'
import { abandon, describeReason, fail, leadershipLost, type TraceField, toParticipant, traceOf } from './span.ts'

/** A branch that is asked for its vote. */
interface Prepare {
  readonly span: Span
  readonly trace: TraceField
  sent: number
}

/** The spans of one commit at the leader: from its first prepare until the log has its decision. */
export class CommitTracing {
  /** Its work is done within this: the context of the request that began it, or of its being taken up. */
  readonly context: Context
  private readonly id: TransactionId
  private readonly tracer: Tracer
  private readonly takeUp: Span | undefined
  private votes: Span | undefined
  private readonly prepares = new Map<ParticipantName, Prepare>()
  private decide: Span | undefined
  /** Those that are linked with what this transaction began under. */
  private askers: Set<Span> | undefined

  constructor(tracer: Tracer, id: TransactionId, within: Context, takeUp?: Span) {
    this.tracer = tracer
    this.id = id
    this.context = within
    this.takeUp = takeUp
  }

  /** Of a transaction that nobody asks for but a participant that holds a branch of it. */
  static takenUp(tracer: Tracer, participant: ParticipantName, { id, trace: of }: HeldBranch): CommitTracing {
    const attributes = { [spanAttributes.transaction]: id, [labels.participant]: participant }
    const options = { links: linksTo([of]), attributes }
    const span = tracer.startSpan(spanNames.takeUp, options, ROOT_CONTEXT)
    return new CommitTracing(tracer, id, trace.setSpan(ROOT_CONTEXT, span), span)
  }

  /** A participant is asked for its vote, the first time or again. Returns what the message carries. */
  asking(participant: ParticipantName, transaction: TraceContext | undefined): TraceField {
    const known = this.prepares.get(participant)
    if (known !== undefined) {
      known.sent += 1
      known.span.addEvent(spanEvents.resent, { [spanAttributes.attempt]: known.sent })
      return known.trace
    }
    this.votes ??= startPart(this.tracer, spanNames.votes, this.context)
    const method = methodName(participant, methods.prepare)
    const within = trace.setSpan(ROOT_CONTEXT, this.votes)
    const span = startPart(this.tracer, method, within, () => toParticipant(method, this.id, participant))
    const prepare = { span, trace: traceOf(span, transaction), sent: 1 }
    this.prepares.set(participant, prepare)
    return prepare.trace
  }

  /** A request for the same transaction, the first time or again, joins work that may have begun under another span. */
  joined({ span, context: own }: Call): void {
    const under = trace.getSpanContext(this.context)
    if (own === this.context || under === undefined || !span.isRecording() || this.askers?.has(span)) return
    this.askers ??= new Set()
    this.askers.add(span)
    span.addLink({ context: under })
  }

  /** A vote came in; it need not be one that counts. */
  voted({ branches }: Commit, participant: ParticipantName): void {
    const span = this.prepares.get(participant)?.span
    const branch = branches.find(({ listed }) => listed.participant === participant)
    if (span === undefined || branch === undefined || branch.vote === 'awaited') return
    this.prepares.delete(participant)
    const { vote, reason } = branch
    span.setAttribute(labels.vote, vote)
    if (reason !== undefined) {
      describeReason(span, reason)
      fail(span, reason.code, reason.message)
    }
    span.end()
  }

  /** Votes are needed no longer. Without a reason they are unanimous, or their owner wants them no more. */
  collected(failure: Reason | undefined): void {
    for (const [participant, { span }] of this.prepares) {
      const isSilent = failure?.code === reasonCodes.budgetSpent || failure?.participant === participant
      if (failure !== undefined && isSilent) fail(span, failure.code, failure.message)
      span.end()
    }
    if (this.votes === undefined) return
    if (failure !== undefined) {
      describeReason(this.votes, failure)
      fail(this.votes, failure.code, failure.message)
    }
    this.votes.end()
  }

  /** Runs what brings the decision into the log: what is proposed there is proposed by this span. */
  deciding<T>({ outcome }: Decision, propose: () => T): T {
    const options = () => ({ attributes: { [labels.outcome]: outcome } })
    this.decide = startPart(this.tracer, spanNames.decide, this.context, options)
    return context.with(trace.setSpan(ROOT_CONTEXT, this.decide), propose)
  }

  /** The log has made something of the decision; undefined when that is no record. */
  decided(outcome: Outcome | undefined): void {
    if (this.decide !== undefined) {
      if (outcome !== undefined) this.decide.setAttribute(labels.outcome, outcome)
      this.decide.end()
    }
    this.endTakeUp(outcome)
  }

  /** The log did not take the decision, or nobody knows whether it did. */
  undecided(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    for (const span of [this.decide, this.takeUp]) if (span !== undefined) abandon(span, why)
  }

  /** The leader leads no more. */
  abandoned(): void {
    const open = [...this.prepares.values()].map(({ span }) => span)
    for (const span of [...open, this.votes, this.decide, this.takeUp]) {
      if (span?.isRecording()) abandon(span, leadershipLost)
    }
  }

  private endTakeUp(outcome: Outcome | undefined): void {
    if (outcome !== undefined) this.takeUp?.setAttribute(labels.outcome, outcome)
    this.takeUp?.end()
  }
}
