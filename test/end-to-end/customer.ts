import { setTimeout as sleep } from 'node:timers/promises'
import type { Order } from '../../infra/demo/order.ts'
import type { Shop } from '../../infra/shop/shop.ts'

const askAgainMs = 100
const answerTimeoutMs = 20_000 // longer than a transaction's budget and its grace

/** What a customer is told of an order, as an outcome. */
export type Told =
  | { readonly outcome: 'committed'; readonly id: string; readonly replayed: boolean }
  | {
      readonly outcome: 'refused'
      readonly id: string
      readonly participant?: string
      readonly code: string
      readonly tryAgain: 'no' | 'with-this-key' | 'with-a-new-key'
    }

/** A fresh idempotency key, as soon as checkout gives one. */
export async function newKey(shop: Shop): Promise<string> {
  for (;;) {
    const response = await post(shop, '/keys')
    if (response !== undefined) return ((await response.json()) as { key: string }).key
    await sleep(askAgainMs)
  }
}

/** Asks under one key until the shop tells an outcome. No answer, "in doubt" and "try again with this key" are none. */
export async function place(shop: Shop, key: string, order: Order): Promise<Told> {
  for (;;) {
    const response = await post(shop, '/orders', { 'idempotency-key': key }, order)
    if (response !== undefined && [201, 409].includes(response.status)) {
      const told = (await response.json()) as Told
      if (told.outcome === 'committed' || told.tryAgain !== 'with-this-key') return told
    } else if (response !== undefined && response.status !== 503) {
      throw new Error(`Checkout answered ${response.status}: ${await response.text()}`)
    }
    await sleep(askAgainMs)
  }
}

async function post(shop: Shop, path: string, headers = {}, body?: Order): Promise<Response | undefined> {
  try {
    return await fetch(`${shop.checkoutUrl}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      signal: AbortSignal.timeout(answerTimeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch {
    return undefined
  }
}
