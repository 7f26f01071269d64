import { defineParticipant, refuse } from '@verdict/participant'
import { postgres } from '@verdict/postgres'
import { z } from 'zod'

/** Who pays for what: one account for each customer, one payment for each order. */
export const schema = `
  create table if not exists account (id text primary key, cents bigint not null check (cents >= 0));
  create table if not exists payment (order_id text primary key, account text not null references account, cents bigint not null);
`

const charge = z.object({
  orderId: z.string().min(1),
  account: z.string().min(1),
  cents: z.number().int().positive(),
})

/** The participant `payments`. It owns one PostgreSQL database; all of its instances reach the same one. */
export function definePayments(connectionString: string) {
  return defineParticipant({
    name: 'payments',
    resource: postgres({ connectionString }),
    operations: {
      charge: {
        input: charge,
        async run({ orderId, account, cents }, { sql }) {
          const paid = await sql.query('update account set cents = cents - $2 where id = $1 and cents >= $2', [
            account,
            cents,
          ])
          if (paid.rowCount === 0) throw refuse('insufficient-funds', `Account ${account} cannot pay ${cents} cents.`)
          await sql.query('insert into payment (order_id, account, cents) values ($1, $2, $3)', [
            orderId,
            account,
            cents,
          ])
          return { account, cents }
        },
      },
    },
  })
}

/** What a client needs to call this participant: its type, none of its code. */
export type Payments = ReturnType<typeof definePayments>
