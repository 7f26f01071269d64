import { defineParticipant } from '@verdict/participant'
import { postgres } from '@verdict/postgres'
import { z } from 'zod'

/** What was ordered: one row for each order that was paid and reserved. */
export const schema = `
  create table if not exists placed_order (
    id text primary key, customer text not null, sku text not null,
    quantity integer not null check (quantity > 0), cents bigint not null
  );
`

const place = z.object({
  orderId: z.string().min(1),
  customer: z.string().min(1),
  sku: z.string().min(1),
  quantity: z.number().int().positive(),
  cents: z.number().int().positive(),
})

/** The participant `orders`. It owns one PostgreSQL database; all of its instances reach the same one. */
export function defineOrders(connectionString: string) {
  return defineParticipant({
    name: 'orders',
    resource: postgres({ connectionString }),
    operations: {
      place: {
        input: place,
        async run({ orderId, customer, sku, quantity, cents }, { sql }) {
          await sql.query('insert into placed_order (id, customer, sku, quantity, cents) values ($1, $2, $3, $4, $5)', [
            orderId,
            customer,
            sku,
            quantity,
            cents,
          ])
          return { orderId }
        },
      },
    },
  })
}

/** What a client needs to call this participant: its type, none of its code. */
export type Orders = ReturnType<typeof defineOrders>
