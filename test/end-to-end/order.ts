import { readFileSync } from 'node:fs'
import type { Order } from '../../infra/demo/order.ts'

const services = new URL('../../services/', import.meta.url)
const cents = 100
const plentyOfCents = 50_000
const plentyOfStock = 100

const accounts = readCounts('payments/accounts.json')
const stock = readCounts('inventory/stock.json')
const customers = namesWith(accounts, (count) => count >= plentyOfCents)
const items = namesWith(stock, (count) => count >= plentyOfStock)
let made = 0

/** An order that can be placed: by its own customer, for its own item, as long as not too many are made. */
export function newOrder(change: Partial<Order> = {}): Order {
  made += 1
  const orderId = `order-${String(made).padStart(5, '0')}`
  return { orderId, customer: nth(customers, made), sku: nth(items, made), quantity: 1, cents, ...change }
}

export function newOrders(count: number): Order[] {
  return Array.from({ length: count }, () => newOrder())
}

/** An item that was never delivered, and a customer without money. */
export const soldOut: string = nth(
  namesWith(stock, (count) => count === 0),
  0,
)
export const penniless: string = nth(
  namesWith(accounts, (count) => count === 0),
  0,
)

function readCounts(path: string): Readonly<Record<string, number>> {
  return JSON.parse(readFileSync(new URL(path, services), 'utf8'))
}

function namesWith(counts: Readonly<Record<string, number>>, test: (count: number) => boolean): string[] {
  return Object.entries(counts)
    .filter(([, count]) => test(count))
    .map(([name]) => name)
}

function nth(names: readonly string[], n: number): string {
  const name = names[n % names.length]
  if (name === undefined) throw new Error('The shop has no such customer or item: its opening balances were changed.')
  return name
}
