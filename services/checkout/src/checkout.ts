import { InDoubt, TransactionAborted, type Verdict } from '@verdict/client'
import type { Inventory } from '@verdict/shop-inventory'
import type { Orders } from '@verdict/shop-orders'
import type { Payments } from '@verdict/shop-payments'
import { z } from 'zod'

/** One order, as the shop's customers send it. */
export const orderSchema = z.strictObject({
  orderId: z.string().min(1),
  customer: z.string().min(1),
  sku: z.string().min(1),
  quantity: z.number().int().positive(),
  cents: z.number().int().positive(),
})

export type Order = z.infer<typeof orderSchema>

/** What became of an order. */
export type Placed =
  | { readonly outcome: 'committed'; readonly id: string; readonly replayed: boolean }
  | {
      readonly outcome: 'refused'
      readonly id: string
      readonly participant: string | undefined
      readonly code: string
      readonly message: string
      /** Whether another try can help, and under which key: an outcome that is recorded stays with its key for good. */
      readonly tryAgain: 'no' | 'with-this-key' | 'with-a-new-key'
    }
  | { readonly outcome: 'in-doubt'; readonly id: string; readonly message: string }

/**
 * Places an order in all three services or in none. `id` is the caller's idempotency key: the same key again gives the outcome
 * that it had, and never charges twice.
 */
export async function placeOrder(verdict: Verdict, id: string, order: Order): Promise<Placed> {
  const { orderId, customer, sku, quantity, cents } = order
  try {
    const { replayed } = await verdict.transaction(
      async (tx) => {
        await tx.on<Inventory>('inventory').reserve({ orderId, sku, quantity })
        await tx.on<Payments>('payments').charge({ orderId, account: customer, cents })
        await tx.on<Orders>('orders').place({ orderId, customer, sku, quantity, cents })
      },
      { id },
    )
    return { outcome: 'committed', id, replayed }
  } catch (error) {
    if (error instanceof TransactionAborted) {
      const { participant, code, message } = error.reason
      const tryAgain = !error.retryable ? 'no' : error.recorded ? 'with-a-new-key' : 'with-this-key'
      return { outcome: 'refused', id, participant, code, message, tryAgain }
    }
    if (error instanceof InDoubt) return { outcome: 'in-doubt', id, message: error.message }
    throw error
  }
}
