import type { Service } from '../../infra/shop/service.ts'
import type { Shop } from '../../infra/shop/shop.ts'
import type { Trace, TraceBackend } from '../../infra/traces/backend.ts'
import { armCrash } from './crash-point.ts'
import { newKey, place } from './customer.ts'
import { newOrder, penniless } from './order.ts'
import { until } from './until.ts'

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
  const crash = armCrash([await leaderOf(shop)], 'before decided')
  const placing = place(shop, key, newOrder())
  await (await crash.victim()).start()
  await placing
  return key
}

/** Leader and customer's side crash when the votes are asked for: another leader takes it up when a participant inquires. */
export async function takenUp(shop: Shop, backend: TraceBackend): Promise<string> {
  const key = await newKey(shop)
  const crash = armCrash([await leaderOf(shop)], 'after prepare')
  const placing = place(shop, key, newOrder())
  await crash.victim()
  await shop.checkout.kill()
  await until(() => takeUpOf(backend, key)) // before its customer can ask again
  const gone = [...shop.replicas, shop.checkout].filter(({ running }) => !running)
  await Promise.all(gone.map((service) => service.start()))
  await placing
  return key
}

async function leaderOf(shop: Shop): Promise<Service> {
  return (await until(() => shop.leader())).service
}

/** The trace that this transaction's client began, as far as the backend has it. */
export async function traceOf(backend: TraceBackend, id: string): Promise<Trace | undefined> {
  const [trace] = await backend.traces(`name = transaction AND "verdict.transaction.id" = "${id}"`, 1)
  return trace
}

/** The trace in which a leader took it up, with nobody waiting. */
export async function takeUpOf(backend: TraceBackend, id: string): Promise<Trace | undefined> {
  const [trace] = await backend.traces(`name = "take up" AND "verdict.transaction.id" = "${id}"`, 1)
  return trace
}
