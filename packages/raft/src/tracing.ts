import { type Link, ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import type { Entry, LogIndex, ReplicaId, Term } from './message.ts'
import { labels, proposerEvents, spanAttributes, spanNames } from './telemetry.ts'
import { version } from './version.ts'

/** More links are not made: the SDK keeps no more of a span, unless it is told to. */
const maxLinks = 128

/** A span that was active when a command was proposed, and the command's place in the log. */
interface Proposer {
  readonly span: Span
  readonly index: LogIndex
}

/** A batch on its way: until this replica's disk has it, and a majority. */
interface Append {
  readonly span: Span
  readonly lastIndex: LogIndex
  readonly proposers: readonly Proposer[]
  readonly flush: Span
  readonly replicate: Span
  flushed: boolean
  replicated: boolean
}

/**
 * The spans of a leader's log. Nothing is kept for a proposal whose proposer has no recording span, and no span is made for a batch
 * without any other: so it is also on followers, where nobody proposes.
 */
export class LogTracing {
  private readonly replica: ReplicaId
  private readonly tracer: Tracer
  private readonly untaken = new Map<number, Span>()
  /** In the log, and handed to no write yet; in the log's order. */
  private unwritten: Proposer[] = []
  /** The one whose flush is under way. */
  private flushing: Append | undefined
  private replicating: Append[] = []

  constructor(replica: ReplicaId) {
    this.replica = replica
    this.tracer = trace.getTracer('@verdict/raft', version)
  }

  /** A command is proposed now, within the span that is active now. */
  proposed(proposal: number): void {
    const span = trace.getActiveSpan()
    if (span?.isRecording()) this.untaken.set(proposal, span)
  }

  taken(proposal: number, index: LogIndex): void {
    const span = this.untaken.get(proposal)
    if (span === undefined) return
    this.untaken.delete(proposal)
    this.unwritten.push({ span, index })
  }

  refused(proposal: number): void {
    this.untaken.delete(proposal)
  }

  /** A write begins that has all that is in the log and was not written before. */
  writing(term: Term, entries: readonly Entry[]): void {
    const proposers = this.unwritten.filter(({ span }) => span.isRecording())
    this.unwritten = []
    const [first] = entries
    const last = entries.at(-1)
    if (proposers.length === 0 || first === undefined || last === undefined) return
    const spans = [...new Set(proposers.map(({ span }) => span))]
    const attributes = {
      [labels.replica]: this.replica,
      [spanAttributes.term]: term,
      [spanAttributes.firstIndex]: first.index,
      [spanAttributes.entries]: entries.length,
      [spanAttributes.bytes]: entries.reduce((sum, { command }) => sum + command.length, 0),
    }
    const links = spans.slice(0, maxLinks).map((span): Link => ({ context: span.spanContext() }))
    const span = this.tracer.startSpan(spanNames.append, { attributes, links }, ROOT_CONTEXT)
    const within = trace.setSpan(ROOT_CONTEXT, span)
    for (const proposer of spans) proposer.addLink({ context: span.spanContext() })
    this.flushing = {
      span,
      lastIndex: last.index,
      proposers,
      flush: this.tracer.startSpan(spanNames.flush, {}, within),
      replicate: this.tracer.startSpan(spanNames.replicate, {}, within),
      flushed: false,
      replicated: false,
    }
    this.replicating.push(this.flushing)
  }

  /** The write that was under way is on this replica's disk. */
  flushed(): void {
    const append = this.flushing
    if (append === undefined) return
    this.flushing = undefined
    append.flushed = true
    append.flush.end()
    for (const { span } of append.proposers) announce(span, proposerEvents.flushed)
    endWhenDone(append)
  }

  /** Entries after `after` and up to `upTo` are committed. Others' disks may have them before this one's. */
  committed(after: LogIndex, upTo: LogIndex): void {
    if (this.unwritten.length > 0) {
      for (const { span, index } of this.unwritten) if (index <= upTo) announce(span, proposerEvents.replicated)
      // Whoever proposed these goes on, and no longer waits for a write.
      this.unwritten = this.unwritten.filter(({ index }) => index > upTo)
    }
    if (this.replicating.length === 0) return
    for (const append of this.replicating) {
      for (const { span, index } of append.proposers) {
        if (index > after && index <= upTo) announce(span, proposerEvents.replicated)
      }
      if (append.lastIndex > upTo) continue
      append.replicated = true
      append.replicate.end()
      endWhenDone(append)
    }
    this.replicating = this.replicating.filter(({ replicated }) => !replicated)
  }

  /** Nobody here learns what becomes of what is in the log and not committed. */
  abandoned(why: string): void {
    this.unwritten = []
    const open = new Set(this.replicating)
    if (this.flushing !== undefined) open.add(this.flushing)
    this.flushing = undefined
    this.replicating = []
    for (const append of open) {
      const spans = [...(append.flushed ? [] : [append.flush]), ...(append.replicated ? [] : [append.replicate])]
      for (const span of [...spans, append.span]) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: why })
        span.end()
      }
    }
  }

  /** The replica is no more. */
  closed(why: string): void {
    this.untaken.clear()
    this.abandoned(why)
  }
}

/** Its proposer may have ended it meanwhile. */
function announce(span: Span, event: string): void {
  if (span.isRecording()) span.addEvent(event)
}

function endWhenDone({ span, flushed, replicated }: Append): void {
  if (flushed && replicated) span.end()
}
