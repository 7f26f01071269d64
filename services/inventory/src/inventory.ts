import { lmdb } from '@verdict/lmdb'
import { defineParticipant, refuse } from '@verdict/participant'
import { z } from 'zod'

const reserve = z.object({
  orderId: z.string().min(1),
  sku: z.string().min(1),
  quantity: z.number().int().positive(),
})

const stocked = z.number().int().nonnegative()

/**
 * The participant `inventory`. It has no database: its store is an LMDB folder that one process owns. `delivered` says how much of
 * each item was ever delivered; what was reserved since is kept in the store.
 */
export function defineInventory(path: string, delivered: Readonly<Record<string, number>>) {
  return defineParticipant({
    name: 'inventory',
    resource: lmdb({ path }),
    operations: {
      reserve: {
        input: reserve,
        async run({ orderId, sku, quantity }, { store }) {
          const left = stocked.optional().parse(await store.getForUpdate(`stock/${sku}`)) ?? delivered[sku]
          if (left === undefined) throw refuse('unknown-item', `There is no item ${sku}.`)
          if (left < quantity) throw refuse('out-of-stock', `${left} of ${sku} are left, ${quantity} were ordered.`)
          await store.put(`stock/${sku}`, left - quantity)
          await store.put(`reservation/${orderId}`, { sku, quantity })
          return { left: left - quantity }
        },
      },
    },
  })
}

/** What a client needs to call this participant: its type, none of its code. */
export type Inventory = ReturnType<typeof defineInventory>
