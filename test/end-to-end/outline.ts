import type { Span, Trace } from '../../infra/traces/backend.ts'

/**
 * A trace as indented lines, one a span: `service name KIND`, with `error` and its type where the status says so, and `linked` where
 * the span has links. Siblings are ordered by name, since those of different services start at once.
 */
export function outlineOf({ spans }: Trace): string[] {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const below = (parent: string | undefined): readonly Span[] =>
    spans
      .filter(({ parentSpanId }) => parentSpanId === parent)
      .toSorted((a, b) => compare(lineOf(a), lineOf(b)) || a.startTime - b.startTime)
  const draw = (span: Span, depth: number): string[] => [
    `${'  '.repeat(depth)}${lineOf(span)}`,
    ...below(span.spanId).flatMap((child) => draw(child, depth + 1)),
  ]
  const orphans = spans.filter(({ parentSpanId }) => parentSpanId !== undefined && !known.has(parentSpanId))
  return [
    ...below(undefined).flatMap((root) => draw(root, 0)),
    ...orphans.toSorted((a, b) => compare(lineOf(a), lineOf(b))).flatMap((span) => ['…', ...draw(span, 1)]),
  ]
}

function lineOf(span: Span): string {
  const error = span.status.code === 'ERROR' ? ['error', String(span.attributes['error.type'])] : []
  return [String(span.attributes['service.name']), span.name, span.kind, ...error].join(' ')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
