import { setTimeout as sleep } from 'node:timers/promises'
import { labels, methods, spanNames } from '@verdict/protocol/telemetry'
import type { Span, Trace, TraceBackend } from '../traces/backend.ts'

const patienceMs = 10_000 // what the services have not exported by then, they lost
const pollMs = 250
const candidates = 50 // of work that was finished for somebody else, the newest

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
 * A committed transaction whose outcome somebody else brought: a later leader, or the participant that asked when it was back.
 * Such work is a root of its own, linked to the transaction's trace.
 */
async function recovered(backend: TraceBackend): Promise<readonly Example[] | undefined> {
  const others = [
    ...(await backend.traces(`name = "${spanNames.takeUp}"`, candidates)),
    ...(await backend.traces(`name $ "/${methods.outcome}" AND parent_span_id = NULL`, candidates)),
  ]
  for (const other of others) {
    for (const { root, linked } of linkedRoots(other)) {
      const [trace] = await backend.traces(
        `trace_id = "${linked}" AND name = ${spanNames.transaction} AND "${labels.outcome}" = committed`,
        1,
      )
      if (trace === undefined) continue
      return [
        { what: 'recovered', traceId: trace.traceId },
        { what: `  its ${root.name} by ${nameOf(root)}`, traceId: other.traceId },
      ]
    }
  }
  return undefined
}

function linkedRoots({ spans }: Trace): { readonly root: Span; readonly linked: string }[] {
  return spans
    .filter(({ parentSpanId }) => parentSpanId === undefined)
    .flatMap((root) => (root.links ?? []).map(({ traceId }) => ({ root, linked: traceId })))
}

function nameOf({ attributes }: Span): string {
  return String(attributes['service.name'])
}
