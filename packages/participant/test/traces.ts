import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import type { BranchList, Token, TraceContext } from '@verdict/protocol'
import { calledList } from './names.ts'
import type { Recorded } from './recorded.ts'
import { Stage } from './stage.ts'

export const traceId = '0af7651916cd43dd8448eb211c80319c'

/** The span of whoever sends, as it stands in a message: the n-th of the one trace. */
export function senderOf(n: number, flags = '01'): TraceContext {
  return { traceparent: `00-${traceId}-${n.toString(16).padStart(16, '0')}-${flags}` }
}

export const client: TraceContext = senderOf(1)
export const leader: TraceContext = senderOf(2)
export const later: TraceContext = senderOf(3)

export function spanOf({ traceparent }: TraceContext): string {
  return traceparent.split('-')[2] ?? ''
}

export function parentOf(span: ReadableSpan): string | undefined {
  return span.parentSpanContext?.spanId
}

export function linksOf(span: ReadableSpan): readonly string[] {
  return span.links.map((link) => link.context.spanId)
}

export function eventsOf(span: ReadableSpan): readonly string[] {
  return span.events.map(({ name }) => name)
}

export interface PreparedStage {
  readonly stage: Stage
  readonly list: BranchList
  readonly token: Token
}

/** A stage with one prepared branch: opened by `client`, unless said otherwise, and asked for its vote by `leader`. */
export async function preparedStage(
  recorded: Recorded,
  settings = {},
  opening: { readonly trace?: TraceContext } = { trace: client },
): Promise<PreparedStage> {
  const stage = await Stage.set(settings, 1, recorded)
  const token = await stage.opened('a', opening)
  const list = calledList(stage.instance(), token, 1)
  stage.prepare(list, { to: stage.instance(), trace: leader })
  await stage.settle()
  return { stage, list, token }
}
