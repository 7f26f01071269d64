import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { expect, vi } from 'vitest'
import { auditArguments } from '../../infra/demo/audit-arguments.ts'
import { readInventory } from '../../infra/demo/audit-inventory.ts'
import type { Ledger } from '../../infra/demo/ledger.ts'
import type { PostgresServer } from '../../infra/postgres.ts'
import type { Shop } from '../../infra/shop/shop.ts'

const audit = join(import.meta.dirname, '..', '..', 'infra', 'demo', 'audit.ts')
/** Within it everything is ended once faults have stopped: longer than the longest pause between two inquiries. */
const endTimeoutMs = 20_000

export const everyStore = ['inventory', 'orders', 'payments'] as const

/** What the three stores of a shop hold. */
export class Books {
  readonly #shop: Shop

  constructor(shop: Shop) {
    this.#shop = shop
  }

  /** The stores that hold an order. */
  async storesWith(orderId: string): Promise<string[]> {
    const { ordersDatabase, paymentsDatabase } = this.#shop
    const [orders, payments] = await Promise.all([
      query(ordersDatabase, 'select 1 from placed_order where id = $1', [orderId]),
      query(paymentsDatabase, 'select 1 from payment where order_id = $1', [orderId]),
    ])
    return [
      ...(this.#inventory().reservations.has(orderId) ? ['inventory'] : []),
      ...(orders.length > 0 ? ['orders'] : []),
      ...(payments.length > 0 ? ['payments'] : []),
    ]
  }

  async balance(customer: string): Promise<number> {
    const [row] = await query(this.#shop.paymentsDatabase, 'select cents from account where id = $1', [customer])
    return Number(row?.['cents'])
  }

  /** The prepared branches of each store. */
  async prepared(): Promise<{ payments: string[]; orders: string[]; inventory: readonly string[] }> {
    const { paymentsDatabase, ordersDatabase } = this.#shop
    return {
      payments: await gids(paymentsDatabase),
      orders: await gids(ordersDatabase),
      inventory: this.#inventory().prepared,
    }
  }

  /** Waits until no branch is prepared in any store, no transaction of ours is open, and the leader waits for nobody. */
  async closed(): Promise<void> {
    const look = async (): Promise<void> => {
      const { paymentsDatabase, ordersDatabase } = this.#shop
      const leader = (await this.#shop.statuses()).find(({ role }) => role === 'leader')
      const open = `select query from pg_stat_activity where state like 'idle in transaction%'`
      expect({
        ...(await this.prepared()),
        open: [...(await query(paymentsDatabase, open)), ...(await query(ordersDatabase, open))],
        unsettled: leader?.unsettled,
      }).toEqual({ payments: [], orders: [], inventory: [], open: [], unsettled: 0 })
    }
    await vi.waitFor(look, { timeout: endTimeoutMs, interval: 50 })
  }

  /** Has the independent audit compare the closed books with what customers were told. */
  async audit(ledger: Ledger): Promise<{ readonly code: number; readonly text: string }> {
    const file = join(this.#shop.folder, 'ledger.jsonl')
    ledger.writeTo(file)
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [audit, ...auditArguments(this.#shop, file)])
      return { code: 0, text: stdout }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { code, text: stdout + stderr }
    }
  }

  #inventory(): ReturnType<typeof readInventory> {
    return readInventory(join(this.#shop.folder, 'inventory'))
  }
}

async function gids(database: PostgresServer): Promise<string[]> {
  return (await query(database, 'select gid from pg_prepared_xacts')).map(({ gid }) => String(gid))
}

async function query(
  database: PostgresServer,
  text: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(database.url)
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}
