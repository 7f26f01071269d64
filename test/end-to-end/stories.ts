import type { Shop } from '../../infra/shop/shop.ts'
import type { Trace, TraceBackend } from '../../infra/traces/backend.ts'
import { armCrash } from './crash-point.ts'
import { newKey, place } from './customer.ts'
import { newOrder, penniless } from './order.ts'

// Transactions whose traces are looked at, by the tests and by the pictures of docs/tracing.md. Each gives the transaction's id.

export async function committed(shop: Shop): Promise<string> {
  const key = await newKey(shop)
  await place(shop, key, newOrder())
  return key
}

/** Payments refuses to charge somebody without money; inventory has reserved by then. */
export async function refused(shop: Shop): Promise<string> {
  const key = await newKey(shop)
  await place(shop, key, newOrder({ customer: penniless }))
  return key
}

/** The leader crashes when all have voted and the decision is recorded, before it tells anybody: another one finds the record. */
export async function recovered(shop: Shop): Promise<string> {
  const key = await newKey(shop)
  const leader = await shop.leader()
  if (leader === undefined) throw new Error('Nobody leads.')
  const crash = armCrash([leader.service], 'before decided')
  const placing = place(shop, key, newOrder())
  await (await crash.victim()).start()
  await placing
  return key
}

/** The trace that this transaction's client began, as far as the backend has it. */
export async function traceOf(backend: TraceBackend, id: string): Promise<Trace | undefined> {
  const [trace] = await backend.traces(`name = transaction AND "verdict.transaction.id" = "${id}"`, 1)
  return trace
}
