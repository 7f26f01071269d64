import { defineParticipant, refuse } from '@verdict/participant'
import { postgres } from '@verdict/postgres'
import pg from 'pg'
import { z } from 'zod'

/** Accounts of each bank, and what each holds at first. */
export const accounts = 10_000
export const openingCents = 1_000_000

/** The two banks of the transfer, each with a PostgreSQL server of its own. */
export const banks = ['bank-a', 'bank-b'] as const
export type BankName = (typeof banks)[number]

/** Branches of a bank: those in flight, and as many again that were told their outcome and are being ended. */
const capacity = 160

/** A bank as a participant: the one operation of the benchmark moves money into or out of one account. */
export function defineBank(name: BankName, connectionString: string) {
  return defineParticipant({
    name,
    resource: postgres({ connectionString, capacity }),
    operations: {
      move: {
        input: z.object({ account: z.number().int(), cents: z.number().int() }),
        async run({ account, cents }, { sql }) {
          const moved = await sql.query('update account set cents = cents + $2 where id = $1', [account, cents])
          if (moved.rowCount === 0) throw refuse('unknown-account', `There is no account ${account}.`)
        },
      },
    },
  })
}

export type Bank = ReturnType<typeof defineBank>

/** Makes the accounts of a bank in its database. */
export async function openAccounts(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('create table account (id integer primary key, cents bigint not null check (cents >= 0))')
    await client.query('insert into account select n, $1 from generate_series(1, $2) n', [openingCents, accounts])
  })
}

/** All the money of a bank, and the branches that are still prepared in its database. */
export async function readBooks(url: string): Promise<{ readonly cents: number; readonly prepared: number }> {
  return await withClient(url, async (client) => {
    const money = await client.query<{ cents: string }>('select sum(cents) as cents from account')
    const prepared = await client.query<{ count: string }>('select count(*) as count from pg_prepared_xacts')
    return { cents: Number(money.rows[0]?.cents), prepared: Number(prepared.rows[0]?.count) }
  })
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
