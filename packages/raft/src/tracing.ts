import { ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
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

/** A batch on its way: until this replica's disk has it, and a majority, in whichever order. */
interface Append {
  readonly span: Span
  readonly proposers: Proposer[]
  readonly replicate: Span
  /** Begins with the write. */
  flush: Span | undefined
  lastIndex: LogIndex
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
  /** On their way to others, and not yet to this disk: an earlier write is under way. */
  private gathering: Append[] = []
  private flushing: Append[] = []
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
    if (!span.isRecording()) return
    const append = this.gatheringAppend(index)
    append.lastIndex = index
    if (!append.proposers.some((proposer) => proposer.span === span)) link(append, span)
    append.proposers.push({ span, index })
  }

  refused(proposal: number): void {
    this.untaken.delete(proposal)
  }

  /** A write begins that has all that is in the log and was not written before. */
  writing(term: Term, entries: readonly Entry[]): void {
    const [first] = entries
    const last = entries.at(-1)
    if (this.gathering.length === 0 || first === undefined || last === undefined) return
    const attributes = {
      [labels.replica]: this.replica,
      [spanAttributes.term]: term,
      [spanAttributes.firstIndex]: first.index,
      [spanAttributes.entries]: entries.length,
      [spanAttributes.bytes]: entries.reduce((sum, { command }) => sum + command.length, 0),
    }
    for (const append of this.gathering) {
      append.span.setAttributes(attributes)
      append.flush = this.tracer.startSpan(spanNames.flush, {}, trace.setSpan(ROOT_CONTEXT, append.span))
      if (!append.replicated) append.lastIndex = last.index
    }
    this.flushing = this.gathering
    this.gathering = []
  }

  /** The write that was under way is on this replica's disk. */
  flushed(): void {
    for (const append of this.flushing) {
      append.flushed = true
      append.flush?.end()
      for (const { span } of append.proposers) announce(span, proposerEvents.flushed)
      endWhenDone(append)
    }
    this.flushing = []
  }

  /** Entries after `after` and up to `upTo` are committed. Others' disks may have them before this one's. */
  committed(after: LogIndex, upTo: LogIndex): void {
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
    const open = new Set([...this.gathering, ...this.flushing, ...this.replicating])
    this.gathering = []
    this.flushing = []
    this.replicating = []
    for (const { span, flush, flushed, replicate, replicated } of open) {
      const spans = [...(flushed || flush === undefined ? [] : [flush]), ...(replicated ? [] : [replicate])]
      for (const unfinished of [...spans, span]) {
        unfinished.setStatus({ code: SpanStatusCode.ERROR, message: why })
        unfinished.end()
      }
    }
  }

  /** The replica is no more. */
  closed(why: string): void {
    this.untaken.clear()
    this.abandoned(why)
  }

  /** The batch that an entry joins: those before it that a majority has already are complete, and wait for this disk alone. */
  private gatheringAppend(lastIndex: LogIndex): Append {
    const open = this.gathering.at(-1)
    if (open !== undefined && !open.replicated) return open
    const span = this.tracer.startSpan(spanNames.append, {}, ROOT_CONTEXT)
    const replicate = this.tracer.startSpan(spanNames.replicate, {}, trace.setSpan(ROOT_CONTEXT, span))
    const state = { flush: undefined, lastIndex, flushed: false, replicated: false }
    const append: Append = { span, proposers: [], replicate, ...state }
    this.gathering.push(append)
    this.replicating.push(append)
    return append
  }
}

/** Both ways: whoever looks at either span finds the other. */
function link({ span, proposers }: Append, proposer: Span): void {
  if (proposers.length < maxLinks) span.addLink({ context: proposer.spanContext() })
  proposer.addLink({ context: span.spanContext() })
}

/** Its proposer may have ended it meanwhile. */
function announce(span: Span, event: string): void {
  if (span.isRecording()) span.addEvent(event)
}

function endWhenDone({ span, flushed, replicated }: Append): void {
  if (flushed && replicated) span.end()
}
