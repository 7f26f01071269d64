import { setTimeout as sleep } from 'node:timers/promises'
import type { Gate } from './gate.ts'
import type { Ledger } from './ledger.ts'
import type { Order } from './order.ts'

const askAgainMs = 100 // between two questions under the same key
const requestTimeoutMs = 30_000 // longer than any transaction's budget: then the customer asks again
const maxAttempts = 8 // after refusals of which the shop says that trying again can help

interface Reply {
  readonly outcome: 'committed' | 'refused' | 'in-doubt'
  readonly code?: string
  readonly tryAgain?: 'no' | 'with-this-key' | 'with-a-new-key'
}

/** Places all orders, `inFlight` at a time and as the gate lets them pass, and keeps the ledger. Stops early when `signal` aborts. */
export async function placeOrders(
  orders: readonly Order[],
  inFlight: number,
  checkoutUrl: () => string,
  ledger: Ledger,
  signal: AbortSignal,
  gate?: Gate,
): Promise<void> {
  const waiting = orders.entries()
  const customer = async (): Promise<void> => {
    for (const [position, order] of waiting) {
      await gate?.pass(position)
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
  let key: string | undefined
  for (let attempt = 1; ; attempt += 1) {
    key ??= await freshKey(checkoutUrl, signal)
    if (key === undefined) return
    const reply = await askUntilTold(key, order, checkoutUrl, ledger, signal)
    if (reply === undefined) return
    if (reply.outcome === 'refused' && reply.tryAgain !== 'no' && attempt < maxAttempts) {
      if (reply.tryAgain === 'with-a-new-key') key = undefined
      continue
    }
    const outcome = reply.outcome === 'committed' ? 'committed' : 'refused'
    const entry = { order, outcome, ...(reply.code === undefined ? {} : { code: reply.code }) } as const
    ledger.record(entry, performance.now() - startedAtMs)
    return
  }
}

/** Asks under one key until there is a definite answer; undefined when told to stop. No answer is no outcome. */
async function askUntilTold(
  key: string,
  order: Order,
  checkoutUrl: () => string,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  let doubted = false
  try {
    while (!signal.aborted) {
      const reply = await postOrder(checkoutUrl(), key, order, signal)
      if (reply !== undefined && reply.outcome !== 'in-doubt') return reply
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

async function freshKey(checkoutUrl: () => string, signal: AbortSignal): Promise<string | undefined> {
  while (!signal.aborted) {
    const response = await attempt(`${checkoutUrl()}/keys`, { method: 'POST' }, signal)
    if (response !== undefined) return ((await response.json()) as { key: string }).key
    await sleep(askAgainMs)
  }
  return undefined
}

async function postOrder(
  checkoutUrl: string,
  key: string,
  order: Order,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key }
  const request = { method: 'POST', headers, body: JSON.stringify(order) }
  const response = await attempt(`${checkoutUrl}/orders`, request, signal)
  if (response === undefined) return undefined
  if ([201, 409, 503].includes(response.status)) return (await response.json()) as Reply
  throw new UnexpectedAnswerError(`Checkout answered ${response.status}: ${await response.text()}`)
}

/** A response, or undefined when there is none in time. */
async function attempt(url: string, request: RequestInit, signal: AbortSignal): Promise<Response | undefined> {
  try {
    return await fetch(url, { ...request, signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]) })
  } catch {
    return undefined
  }
}
