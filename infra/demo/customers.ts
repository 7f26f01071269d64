import { setTimeout as sleep } from 'node:timers/promises'
import type { Ledger } from './ledger.ts'
import type { Order } from './order.ts'

const askAgainMs = 100 // between two questions under the same key
const requestTimeoutMs = 30_000 // longer than any transaction's budget: then the customer asks again
const maxAttempts = 5 // with a fresh key each, after a refusal of which the shop says that trying again can help

interface Reply {
  readonly outcome: 'committed' | 'refused' | 'in-doubt'
  readonly code?: string
  readonly retryable?: boolean
}

/** Places all orders, `inFlight` at a time, and keeps the ledger. Stops early when `signal` aborts. */
export async function placeOrders(
  orders: readonly Order[],
  inFlight: number,
  checkoutUrl: () => string,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<void> {
  const waiting = orders.values()
  const customer = async (): Promise<void> => {
    for (const order of waiting) {
      if (signal.aborted) return
      ledger.inFlight += 1
      await placeOrder(order, checkoutUrl, ledger, signal)
      ledger.inFlight -= 1
    }
  }
  await Promise.all(Array.from({ length: inFlight }, customer))
}

async function placeOrder(order: Order, checkoutUrl: () => string, ledger: Ledger, signal: AbortSignal): Promise<void> {
  const startedAtMs = performance.now()
  for (let attempt = 1; ; attempt += 1) {
    const reply = await placeUnderOneKey(order, checkoutUrl, ledger, signal)
    if (reply === undefined) return
    if (reply.outcome === 'refused' && reply.retryable && attempt < maxAttempts) continue
    const entry = { order, ...(reply.code === undefined ? {} : { code: reply.code }) }
    const outcome = reply.outcome === 'committed' ? 'committed' : 'refused'
    ledger.record({ ...entry, outcome }, performance.now() - startedAtMs)
    return
  }
}

/** Asks under one idempotency key until there is a definite answer; undefined when told to stop. */
async function placeUnderOneKey(
  order: Order,
  checkoutUrl: () => string,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  let key: string | undefined
  let doubted = false
  try {
    while (!signal.aborted) {
      try {
        key ??= await freshKey(checkoutUrl(), signal)
        const reply = await postOrder(checkoutUrl(), key, order, signal)
        if (reply.outcome !== 'in-doubt') return reply
      } catch (error) {
        if (error instanceof UnexpectedAnswerError) throw error
        // No answer is no outcome: the same key is asked again.
      }
      if (!doubted) ledger.inDoubt += 1
      doubted = true
      await sleep(askAgainMs)
    }
    return undefined
  } finally {
    if (doubted) ledger.inDoubt -= 1
  }
}

/** The shop answered something that its contract does not have. */
class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError'
}

async function freshKey(checkoutUrl: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(`${checkoutUrl}/keys`, { method: 'POST', signal })
  const { key } = (await response.json()) as { key: string }
  return key
}

async function postOrder(checkoutUrl: string, key: string, order: Order, signal: AbortSignal): Promise<Reply> {
  const response = await fetch(`${checkoutUrl}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(order),
    signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
  })
  if (response.status === 201 || response.status === 409 || response.status === 503)
    return (await response.json()) as Reply
  throw new UnexpectedAnswerError(`Checkout answered ${response.status}: ${await response.text()}`)
}
