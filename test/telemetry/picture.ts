import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { idOf, parentOf } from './recorded.ts'

/** What a picture shows of a span, wherever that was seen. */
export interface Seen {
  readonly traceId: string
  readonly id: string
  readonly parent: string | undefined
  readonly name: string
  readonly kind: string
  /** The name of its tracer. */
  readonly scope: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly failed: boolean
  readonly events: readonly string[]
  /** The ids of the spans that it is linked with. */
  readonly links: readonly string[]
}

/** Attributes that say what happened, and are the same in every run. The reference lists all. */
const shown = [
  'verdict.mode',
  'verdict.outcome',
  'verdict.path',
  'verdict.vote',
  'verdict.ending',
  'verdict.transaction.branches',
  'verdict.attempt',
  'verdict.inquired',
]

export function seenOf(span: ReadableSpan): Seen {
  const { name, kind, attributes, events, links, status, instrumentationScope } = span
  return {
    traceId: span.spanContext().traceId,
    id: idOf(span),
    parent: parentOf(span),
    name,
    kind: SpanKind[kind],
    scope: instrumentationScope.name,
    attributes,
    failed: status.code === SpanStatusCode.ERROR,
    events: events.map((event) => event.name),
    links: links.map(({ context }) => context.spanId),
  }
}

/**
 * Traces as a text: a tree for each trace, in the order in which spans are given, and a line for each span with its name, kind and
 * package, what it says happened, its failure, its events, and where its links lead.
 */
export function picture(spans: readonly Seen[]): string {
  const traces = [...Map.groupBy(spans, ({ traceId }) => traceId).values()]
  const places = new Map(
    traces.flatMap((own, nth) => own.map(({ id, name }) => [id, `${name} in trace ${nth + 1}`] as const)),
  )
  return traces.map((own, nth) => `trace ${nth + 1}\n${branches(own, undefined, '', places)}`).join('\n')
}

/** The lines of a picture in an order that says nothing: for spans whose clock does not tell which began first. */
export function withoutOrder(text: string): string {
  const below = (lines: readonly string[], depth: number): string => {
    const starts = lines.flatMap((line, nth) => (depthOf(line) === depth ? [nth] : []))
    return starts
      .map((start, nth) => {
        const [own = '', ...rest] = lines.slice(start, starts[nth + 1])
        return `${'  '.repeat(depth)}${own.replace(/^[│├└─ ]*/, '')}\n${below(rest, depth + 1)}`
      })
      .toSorted()
      .join('')
  }
  return below(
    text
      .replaceAll(/trace \d+/g, 'trace')
      .split('\n')
      .filter((line) => line !== ''),
    0,
  )
}

function depthOf(line: string): number {
  return (/^[│├└─ ]*/.exec(line)?.[0].length ?? 0) / 3
}

/** What hangs below a span; below none, the roots and whatever has a parent that is not here. */
function branches(
  spans: readonly Seen[],
  parent: string | undefined,
  indent: string,
  places: ReadonlyMap<string, string>,
): string {
  const ids = new Set(spans.map(({ id }) => id))
  const below = spans.filter((span) => {
    const isHere = span.parent !== undefined && ids.has(span.parent)
    return (isHere ? span.parent : undefined) === parent
  })
  return below
    .map((span, nth) => {
      const isLast = nth === below.length - 1
      const line = `${indent}${isLast ? '└─ ' : '├─ '}${describe(span, places)}\n`
      return line + branches(spans, span.id, `${indent}${isLast ? '   ' : '│  '}`, places)
    })
    .join('')
}

function describe(span: Seen, places: ReadonlyMap<string, string>): string {
  const { name, kind, scope, attributes, events, links, failed, parent } = span
  const said = shown.flatMap((key) =>
    key in attributes ? [`${key.split('.').at(-1)}=${String(attributes[key])}`] : [],
  )
  const code = attributes['error.type']
  const failure = failed ? [typeof code === 'string' ? `failed: ${code}` : 'failed'] : []
  const moments = [...new Set(events)].map((event) => `· ${event}`)
  const leads = links.map((id) => `→ ${places.get(id) ?? 'elsewhere'}`)
  const origin = parent !== undefined && !places.has(parent) ? ['(its parent is not here)'] : []
  return [
    `${name}  ${kind} of ${scope.replace('@verdict/', '')}`,
    ...said,
    ...failure,
    ...moments,
    ...leads,
    ...origin,
  ].join('  ')
}
