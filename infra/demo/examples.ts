import { setTimeout as sleep } from 'node:timers/promises'
import { labels, methods, spanAttributes, spanNames } from '@verdict/protocol/telemetry'
import type { Span, Trace, TraceBackend } from '../traces/backend.ts'

const patienceMs = 5_000 // ten times what a service waits before it exports; a disaster may have struck nobody
const pollMs = 250
const candidates = 50 // of the works that were finished for somebody else, the newest

/** A trace that shows one thing. */
export interface Example {
  readonly what: string
  readonly traceId: string
}

/** One trace each of a transaction that was committed, refused and recovered; what is not found is missing. */
export async function findExamples(backend: TraceBackend, signal: AbortSignal): Promise<Example[]> {
  const endsAtMs = performance.now() + patienceMs
  for (;;) {
    const found = await Promise.all([
      transactionThat(backend, 'committed'),
      transactionThat(backend, 'aborted'),
      recovered(backend),
    ])
    const examples = found.flatMap((some) => some ?? [])
    if (found.every((some) => some !== undefined) || performance.now() > endsAtMs || signal.aborted) return examples
    await sleep(pollMs)
  }
}

/** The newest transaction with this outcome, finished in its own trace. */
async function transactionThat(
  backend: TraceBackend,
  outcome: 'committed' | 'aborted',
): Promise<readonly Example[] | undefined> {
  const [trace] = await backend.traces(`name = ${spanNames.transaction} AND "${labels.outcome}" = ${outcome}`, 1)
  if (trace === undefined) return undefined
  return [{ what: outcome === 'committed' ? 'committed' : 'refused', traceId: trace.traceId }]
}

/**
 * A transaction whose outcome somebody else brought, committed if there is one: a later leader, a participant that asked when it was
 * back, or, third choice, the same leader when it was back. Such work is a root of its own, linked to the transaction's trace.
 */
async function recovered(backend: TraceBackend): Promise<readonly Example[] | undefined> {
  const outcome = `name $ "/${methods.outcome}" AND parent_span_id = NULL`
  const queries = [
    `name = "${spanNames.takeUp}"`,
    `${outcome} AND "${spanAttributes.attempt}" = NULL`,
    `${outcome} AND kind = CLIENT`,
  ]
  const found = await Promise.all(queries.map((query) => backend.traces(query, candidates)))
  const works = found.flat().flatMap(linkedRoots)
  const first = (what: string): Work | undefined => works.find(({ root }) => root.attributes[labels.outcome] === what)
  const work = first('committed') ?? first('aborted')
  if (work === undefined) return undefined
  const { root, linked } = work
  return [
    { what: 'recovered', traceId: linked },
    { what: `  by ${root.name}`, traceId: root.traceId },
  ]
}

/** What was done for a transaction in a trace of its own. */
interface Work {
  readonly root: Span
  readonly linked: string
}

function linkedRoots({ spans }: Trace): Work[] {
  return spans
    .filter(({ parentSpanId }) => parentSpanId === undefined)
    .flatMap((root) => (root.links ?? []).map(({ traceId }) => ({ root, linked: traceId })))
}
