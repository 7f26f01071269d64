import { diag, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import {
  type Abort,
  type Ack,
  type BranchList,
  type Commit,
  type HeldBranch,
  type ParticipantName,
  type Reason,
  reasonCodes,
  type TraceContext,
  type Vote,
} from '@verdict/protocol'
import { idOf, parentOf, type Recorded } from '../../../test/telemetry/recorded.ts'
import { calledList, id, instance, p, prepared, q, sealed, token } from './samples.ts'
import { type Stage, settled } from './stage.ts'

export const list: BranchList = calledList(p, q)
/** The span of whoever asks, in another process. */
export const asker: { readonly traceId: string; readonly spanId: string } = {
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
}
export const trace: TraceContext = { traceparent: `00-${asker.traceId}-${asker.spanId}-01` }
export const unsampled: TraceContext = { traceparent: `00-${asker.traceId}-${asker.spanId}-00` }
const reason: Reason = { code: reasonCodes.clientAborted, message: 'Given up.', retryable: true }

export function commit(number = 1, over: Partial<Commit> = {}): Commit {
  const branches = over.list ?? list
  const { digest } = sealed(id(number), branches)
  return { type: 'commit', id: id(number), list: branches, digest, leftMs: 10_000, wait: 'decided', trace, ...over }
}

export function abort(number = 1, over: Partial<Abort> = {}): Abort {
  return { type: 'abort', id: id(number), list, digest: sealed(id(number), list).digest, reason, trace, ...over }
}

export function held(number = 1, over: Partial<HeldBranch> = {}): HeldBranch {
  return { id: id(number), digest: sealed(id(number), list).digest, token: token(p), list, trace, ...over }
}

export function vote(stage: Stage, of: ParticipantName, given: Vote = prepared(of), number = 1, branches = list): void {
  stage.speak(of, { type: 'vote', id: id(number), digest: sealed(id(number), branches).digest, vote: given })
}

export async function voteAll(stage: Stage, number = 1): Promise<void> {
  for (const of of [p, q]) vote(stage, of, prepared(of), number)
  await settled()
}

export async function acknowledge(stage: Stage, of: ParticipantName, over: Partial<Ack> = {}): Promise<void> {
  const { digest } = sealed(id(1), list)
  stage.speak(of, { type: 'ack', id: id(1), digest, instance: instance(of), applied: 'committed', ...over })
  await settled()
}

/** What the SDK complains of from now on: spans that are ended twice, or used after their end. */
export function complaints(): readonly string[] {
  const found: string[] = []
  const complain = (message: string): void => void found.push(message)
  const ignore = (): void => {}
  diag.setLogger({ error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore })
  return found
}

function causeOf({ attributes, status }: ReadableSpan): string {
  const code = attributes['error.type']
  return typeof code === 'string' ? code : (status.message ?? '')
}

/** Ended spans as a picture: one a line below its parent, with what ended badly, what happened within, and links. */
export function picture({ spans }: Recorded): string[] {
  const known = new Map(spans.map((span) => [idOf(span), span.name]))
  const nameOf = (spanId: string): string => known.get(spanId) ?? (spanId === asker.spanId ? 'asker' : 'elsewhere')
  const lineOf = (span: ReadableSpan): string =>
    [
      span.name,
      ...(span.status.code === SpanStatusCode.ERROR ? [`ERROR ${causeOf(span)}`] : []),
      ...span.events.map((event) => `(${event.name})`),
      ...span.links.map((link) => `~ ${nameOf(link.context.spanId)}`),
    ].join(' ')
  const below = (parent: string | undefined, depth: number): string[] =>
    spans
      .filter((span) => parentOf(span) === parent)
      .flatMap((span) => [`${'  '.repeat(depth)}${lineOf(span)}`, ...below(idOf(span), depth + 1)])
  return [...below(asker.spanId, 0), ...below(undefined, 0).map((line) => (line.startsWith(' ') ? line : `/${line}`))]
}

export function contextOf(span: ReadableSpan, flags = '01'): TraceContext {
  const { traceId, spanId } = span.spanContext()
  return { traceparent: `00-${traceId}-${spanId}-${flags}` }
}
