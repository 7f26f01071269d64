import { appendFileSync } from 'node:fs'
import { lmdb } from '@verdict/lmdb'
import { defineParticipant, refuse } from '@verdict/participant'
import { postgres } from '@verdict/postgres'
import { z } from 'zod'

/** The participants: two banks with a PostgreSQL server each, and a vault with a store of its own. */
export const bankNames = ['bank-a', 'bank-b', 'vault'] as const
export type BankName = (typeof bankNames)[number]

/** What each account holds at first. */
export const openingCents = 10_000

// No key of the entries is unique: one that was written twice shall be seen.
const schema = `
  create table account (id integer primary key, cents bigint not null check (cents >= 0));
  create table entry (transfer text not null, account integer not null, cents bigint not null);
`

/** Makes the tables and accounts of a bank. */
export function openingScript(accounts: number): string {
  return `${schema} insert into account select n, ${openingCents} from generate_series(0, ${accounts - 1}) n`
}

const move = z.object({ transfer: z.string(), account: z.number().int(), cents: z.number().int() })

/** The money of a bank, as one who locked all of it has seen it. */
export interface Total {
  readonly cents: number
  readonly accounts: number
}

/** Called with each execution of `move`, also one that comes to nothing. */
export type Witness = (transfer: string) => void

/** Notes executions in a file, outside all transactions. */
export function witnessIn(file: string): Witness {
  return (transfer) => appendFileSync(file, `${transfer}\n`)
}

export function defineBank(name: string, connectionString: string, witness: Witness) {
  return defineParticipant({
    name,
    resource: postgres({ connectionString }),
    operations: {
      move: {
        input: move,
        async run({ transfer, account, cents }, { sql }) {
          witness(transfer)
          const moved = await sql.query('update account set cents = cents + $2 where id = $1 and cents + $2 >= 0', [
            account,
            cents,
          ])
          if (moved.rowCount === 0)
            throw refuse('insufficient-funds', `Account ${account} has less than ${-cents} cents.`)
          await sql.query('insert into entry values ($1, $2, $3)', [transfer, account, cents])
        },
      },
      /** Locks every account against changes, until the transaction ends, and adds them up. */
      total: {
        input: z.undefined(),
        async run(_, { sql }): Promise<Total> {
          const { rows } = await sql.query<{ cents: string }>('select cents from account order by id for share')
          return { cents: rows.reduce((sum, row) => sum + Number(row.cents), 0), accounts: rows.length }
        },
      },
    },
  })
}

const held = z.number().int().optional()

export function defineVault(name: string, path: string, accounts: number, witness: Witness) {
  return defineParticipant({
    name,
    // Its disk may be one in memory, which can be filled; no fault here is a power cut.
    resource: lmdb({ path, durability: 'weak' }),
    operations: {
      move: {
        input: move,
        async run({ transfer, account, cents }, { store }) {
          witness(transfer)
          const left = (held.parse(await store.getForUpdate(`account/${account}`)) ?? openingCents) + cents
          if (left < 0) throw refuse('insufficient-funds', `Account ${account} has less than ${-cents} cents.`)
          await store.put(`account/${account}`, left)
          await store.put(`entry/${transfer}/${account}`, cents)
        },
      },
      total: {
        input: z.undefined(),
        async run(_, { store }): Promise<Total> {
          let sum = 0
          for (let account = 0; account < accounts; account += 1)
            sum += held.parse(await store.get(`account/${account}`)) ?? openingCents
          return { cents: sum, accounts }
        },
      },
    },
  })
}

/** What a client needs to call any of them: both kinds offer the same. */
export type Bank = ReturnType<typeof defineBank>
