/**
 * The independent audit of the shop: reads the three stores and the customers' ledger, and says whether the books balance. It
 * shares no code with what it audits, so that a fault there cannot hide itself here.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { readInventory } from './audit-inventory.ts'

interface Order {
  readonly orderId: string
  readonly customer: string
  readonly sku: string
  readonly quantity: number
  readonly cents: number
}

interface Entry {
  readonly order: Order
  readonly outcome: 'committed' | 'refused'
}

interface Finding {
  readonly what: string
  readonly problems: readonly string[]
}

const maxShown = 5 // problems of one kind: the first few tell the story

const places = parseArgs({
  options: {
    payments: { type: 'string' },
    orders: { type: 'string' },
    inventory: { type: 'string' },
    accounts: { type: 'string' },
    stock: { type: 'string' },
    ledger: { type: 'string' },
  },
}).values

const findings = await audit()
for (const { what, problems } of findings) {
  console.log(`  ${problems.length === 0 ? '✓' : '✗'} ${what}`)
  for (const problem of problems.slice(0, maxShown)) console.log(`      ${problem}`)
  if (problems.length > maxShown) console.log(`      … and ${problems.length - maxShown} more`)
}
const balanced = findings.every(({ problems }) => problems.length === 0)
console.log(balanced ? '  The books balance.' : '  THE BOOKS DO NOT BALANCE.')
process.exitCode = balanced ? 0 : 1

async function audit(): Promise<Finding[]> {
  const openingCents = readJson<Record<string, number>>(place('accounts'))
  const delivered = readJson<Record<string, number>>(place('stock'))
  const entries = readFileSync(place('ledger'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)
  const placed = new Map(
    (
      await rows<{ id: string; customer: string; sku: string; quantity: number; cents: string }>(
        place('orders'),
        'select * from placed_order',
      )
    ).map((row) => [row.id, row]),
  )
  const payments = new Map(
    (await rows<{ order_id: string; account: string; cents: string }>(place('payments'), 'select * from payment')).map(
      (row) => [row.order_id, row],
    ),
  )
  const accounts = await rows<{ id: string; cents: string }>(place('payments'), 'select id, cents from account')
  const inventory = readInventory(place('inventory'))

  const ids = new Set([...placed.keys(), ...payments.keys(), ...inventory.reservations.keys()])
  const complete = [...ids].filter((id) => placed.has(id) && payments.has(id) && inventory.reservations.has(id))
  const stores = (id: string): string =>
    [placed.has(id) && 'orders', payments.has(id) && 'payments', inventory.reservations.has(id) && 'inventory']
      .filter((name) => name !== false)
      .join(' and ')

  return [
    {
      what: `each order is in all three stores or in none (${complete.length} in all three)`,
      problems: [...ids].filter((id) => !complete.includes(id)).map((id) => `${id} is only in ${stores(id)}`),
    },
    {
      what: 'the three stores tell the same of each order',
      problems: complete.filter((id) => {
        const order = placed.get(id)
        const payment = payments.get(id)
        const reservation = inventory.reservations.get(id)
        return (
          order?.customer !== payment?.account ||
          order?.cents !== payment?.cents ||
          order?.sku !== reservation?.sku ||
          order?.quantity !== reservation?.quantity
        )
      }),
    },
    {
      what: `money adds up (${accounts.length} accounts)`,
      problems: accounts.flatMap(({ id, cents }) => {
        const spent = sum(
          [...payments.values()].filter(({ account }) => account === id).map((payment) => Number(payment.cents)),
        )
        const expected = (openingCents[id] ?? 0) - spent
        return Number(cents) === expected && expected >= 0
          ? []
          : [`${id} has ${cents} cents, ${expected} were expected`]
      }),
    },
    {
      what: `stock adds up (${Object.keys(delivered).length} items)`,
      problems: Object.entries(delivered).flatMap(([sku, quantity]) => {
        const reserved = sum(
          [...inventory.reservations.values()].filter((row) => row.sku === sku).map((row) => row.quantity),
        )
        const left = inventory.stock.get(sku) ?? quantity
        return left === quantity - reserved && left >= 0
          ? []
          : [`${left} of ${sku} are left, ${quantity - reserved} were expected`]
      }),
    },
    {
      what: 'no branch is left prepared in any store',
      problems: [
        ...(await prepared('payments')),
        ...(await prepared('orders')),
        ...inventory.prepared.map((id) => `inventory holds ${id}`),
      ],
    },
    {
      what: `what ${entries.length} customers were told is what the stores hold`,
      problems: entries
        .filter(({ order, outcome }) => (outcome === 'committed') !== ids.has(order.orderId))
        .map(
          ({ order, outcome }) =>
            `${order.orderId} was told ${outcome}, the stores ${ids.has(order.orderId) ? 'have' : 'do not have'} it`,
        ),
    },
    {
      what: 'the stores hold no order that nobody was told of',
      problems: [...ids].filter((id) => !entries.some(({ order }) => order.orderId === id)),
    },
  ]
}

async function prepared(database: 'payments' | 'orders'): Promise<string[]> {
  const found = await rows<{ gid: string }>(place(database), 'select gid from pg_prepared_xacts')
  return found.map(({ gid }) => `${database} holds ${gid}`)
}

async function rows<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

function place(name: keyof typeof places): string {
  const value = places[name]
  if (value === undefined)
    throw new Error(`--${name} is missing: the audit needs every store, the opening balances and the ledger.`)
  return value
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
