import { open } from 'lmdb'
import { unpack } from 'msgpackr'
import pg from 'pg'

/** One movement of money in a store. */
export interface Movement {
  readonly transfer: string
  readonly account: number
  readonly cents: number
}

/** What a store holds, read beside the service that owns it. */
export interface Books {
  readonly bank: string
  readonly balances: ReadonlyMap<number, number>
  readonly movements: readonly Movement[]
  /** What the store says of branches that ended. */
  readonly ended: readonly { readonly id: string; readonly state: string }[]
  /** Transactions whose branch is prepared and not ended. */
  readonly prepared: readonly string[]
}

const idParts = 5 // between `_`, behind `verdict` and the participant, in the name of a prepared transaction

/** Reads a database with plain SQL. */
export async function readDatabase(bank: string, url: string): Promise<Books> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const accounts = await client.query<{ id: number; cents: string }>('select id, cents from account')
    const entries = await client.query<{ transfer: string; account: number; cents: string }>('select * from entry')
    const rows = await client.query<{ id: string; state: string }>('select id, state from verdict.branch')
    const held = await client.query<{ gid: string }>('select gid from pg_prepared_xacts')
    return {
      bank,
      balances: new Map(accounts.rows.map(({ id, cents }) => [id, Number(cents)])),
      movements: entries.rows.map(({ transfer, account, cents }) => ({ transfer, account, cents: Number(cents) })),
      ended: rows.rows,
      prepared: held.rows.map(({ gid }) =>
        gid
          .split('_')
          .slice(2, 2 + idParts)
          .join('_'),
      ),
    }
  } finally {
    await client.end()
  }
}

/** Reads an LMDB folder: the first letter of a key says whose it is, `d` users', `p` a prepared branch's, `e` an ended one's. */
export async function readStore(bank: string, path: string, accounts: number, openingCents: number): Promise<Books> {
  const store = open<Buffer, Buffer>(path, {
    readOnly: true,
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
  })
  // An account is there once it was changed.
  const balances = new Map(Array.from({ length: accounts }, (_, account) => [account, openingCents]))
  const movements: Movement[] = []
  const ended: { id: string; state: string }[] = []
  const prepared: string[] = []
  for (const { key, value } of store.getRange({})) {
    const text = Buffer.from(key).toString('utf8')
    const [space, name, second] = [text[0], ...text.slice(1).split('/')]
    if (space === 'p') prepared.push(text.slice(1))
    if (space === 'e') ended.push({ id: text.slice(1), state: (unpack(value) as { state: string }).state })
    if (space !== 'd') continue
    const [, , account] = text.slice(1).split('/')
    if (name === 'account') balances.set(Number(second), Number(unpack(value)))
    if (name === 'entry')
      movements.push({ transfer: second ?? '', account: Number(account), cents: Number(unpack(value)) })
  }
  await store.close()
  return { bank, balances, movements, ended, prepared }
}
