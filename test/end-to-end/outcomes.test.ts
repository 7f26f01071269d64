import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { placeOrders } from '../../infra/demo/customers.ts'
import { Ledger } from '../../infra/demo/ledger.ts'
import type { Order } from '../../infra/demo/order.ts'
import { Shop } from '../../infra/shop/shop.ts'
import { Books, everyStore } from './books.ts'
import { armCrash } from './crash-point.ts'
import { newKey, place, type Told } from './customer.ts'
import { newOrder, newOrders, penniless, soldOut } from './order.ts'
import { until } from './until.ts'

const inFlight = 16
const load = 120 // orders: some seconds of work, so that what is killed in the middle is missed

let shop: Shop
let books: Books
const ledger = new Ledger()
const over = new AbortController()

beforeAll(async () => {
  shop = await Shop.start({ preload: `${import.meta.dirname}/crash-points.ts` })
  books = new Books(shop)
})
afterAll(async () => {
  over.abort()
  await shop.stop()
})

async function placeOnce(order: Order): Promise<Told> {
  return place(shop, await newKey(shop), order)
}

/** Places many orders and, once a quarter of them is decided, lets something happen; returns when all are decided. */
async function placeManyWhile(strike: () => Promise<void>): Promise<void> {
  const orders = newOrders(load)
  const decided = ledger.entries.length
  const placing = placeOrders(orders, inFlight, () => shop.checkoutUrl, ledger, over.signal)
  await until(() => ledger.entries.length > decided + load / 4)
  const struckAt = ledger.entries.length
  await strike()
  expect(struckAt).toBeLessThan(decided + load) // else nothing was under way
  await placing
  await expectBalance()
}

/** Nothing stays prepared, open or unsettled, and the independent audit agrees with what the customers were told. */
async function expectBalance(): Promise<void> {
  await books.closed()
  expect(await books.audit(ledger)).toMatchObject({ code: 0 })
}

describe('an order', () => {
  test('is in all three stores when it was told committed, and charged once', async () => {
    const order = newOrder()
    const before = await books.balance(order.customer)
    const told = await placeOnce(order)
    ledger.record({ order, outcome: told.outcome }, 0)
    await books.closed()
    expect(told).toMatchObject({ outcome: 'committed', replayed: false })
    expect(await books.storesWith(order.orderId)).toEqual(everyStore)
    expect(await books.balance(order.customer)).toBe(before - order.cents)
    expect(await books.audit(ledger)).toMatchObject({ code: 0 })
  })

  test.each([
    { participant: 'inventory', code: 'out-of-stock', order: newOrder({ sku: soldOut }) },
    { participant: 'payments', code: 'insufficient-funds', order: newOrder({ customer: penniless }) },
  ])('is in no store when $participant refuses it: $code', async ({ participant, code, order }) => {
    const told = await placeOnce(order)
    ledger.record({ order, outcome: told.outcome }, 0)
    expect(told).toMatchObject({ outcome: 'refused', participant, code, tryAgain: 'no' })
    expect(await books.storesWith(order.orderId)).toEqual([])
    await expectBalance()
  })

  test('is in no other store when orders refuses it, which has it already', async () => {
    const order = newOrder()
    const before = await books.balance(order.customer)
    const written = [order.orderId, order.customer, order.sku, order.quantity, order.cents]
    await inOrders('insert into placed_order values ($1, $2, $3, $4, $5)', written)
    const told = await placeOnce(order)
    await books.closed()
    expect(told).toMatchObject({ outcome: 'refused', participant: 'orders', tryAgain: 'no' })
    expect(await books.storesWith(order.orderId)).toEqual(['orders'])
    expect(await books.balance(order.customer)).toBe(before)
    await inOrders('delete from placed_order where id = $1', [order.orderId])
    await expectBalance()
  })

  test('that is asked for under the same key again is not placed again', async () => {
    const order = newOrder()
    const before = await books.balance(order.customer)
    const key = await newKey(shop)
    const first = await place(shop, key, order)
    ledger.record({ order, outcome: first.outcome }, 0)
    expect(await place(shop, key, order)).toMatchObject({ outcome: 'committed', id: key, replayed: true })
    await expectBalance()
    expect(await books.balance(order.customer)).toBe(before - order.cents)
  })

  test('that is asked for twice at once under one key is placed once, and both are told so', async () => {
    const order = newOrder()
    const before = await books.balance(order.customer)
    const key = await newKey(shop)
    const told = await Promise.all([place(shop, key, order), place(shop, key, order)])
    ledger.record({ order, outcome: 'committed' }, 0)
    for (const { outcome, id } of told) expect({ outcome, id }).toEqual({ outcome: 'committed', id: key })
    await expectBalance()
    expect(await books.balance(order.customer)).toBe(before - order.cents)
  })
})

describe('under load', () => {
  test('the leader is killed: another leads in a higher term, and nothing is lost', async () => {
    await placeManyWhile(async () => {
      const before = await until(() => shop.leader())
      await before.service.kill()
      const after = await until(async () => {
        const leader = await shop.leader()
        return leader !== undefined && leader.term > before.term ? leader : undefined
      })
      expect(after.service.name).not.toBe(before.service.name)
      await before.service.start()
    })
  })

  test('NATS is killed and comes back', async ({ skip }) => {
    skip(!shop.nats.owned, 'NATS_URL names a server that is not ours to kill')
    await placeManyWhile(async () => {
      await shop.nats.kill()
      await shop.nats.restart()
    })
  })

  test('the PostgreSQL server of payments crashes and comes back', async () => {
    await placeManyWhile(() => shop.paymentsDatabase.restart())
  })

  test('an instance of payments is killed while it holds prepared branches: the other one finishes them', async () => {
    const [instance] = shop.payments
    const crash = armCrash([instance], 'after vote')
    await placeManyWhile(async () => {
      expect(await crash.victim()).toBe(instance)
    })
    expect(instance.running).toBe(false)
    await instance.start()
  })
})

test('a participant that is down when its transaction is decided finishes it later, without any client', async () => {
  const order = newOrder()
  const crash = armCrash([shop.orders], 'after vote')
  const placing = placeOnce(order)
  await crash.victim()
  const told = await placing
  ledger.record({ order, outcome: told.outcome }, 0)
  expect(told.outcome).toBe('committed')
  await shop.checkout.kill()
  expect((await books.prepared()).orders).toHaveLength(1)
  expect(await books.storesWith(order.orderId)).not.toContain('orders')
  await shop.orders.start()
  await expectBalance()
  expect(await books.storesWith(order.orderId)).toEqual(everyStore)
  await shop.checkout.start()
})

describe('the independent audit', () => {
  test.each([
    { what: 'another price', text: 'update placed_order set cents = cents + 1 where id = $1' },
    { what: 'no row', text: 'delete from placed_order where id = $1' },
  ])('names an order of which one store has $what', async ({ text }) => {
    const order = newOrder()
    const { outcome } = await placeOnce(order)
    ledger.record({ order, outcome }, 0)
    await expectBalance()
    await inOrders(text, [order.orderId])
    const audit = await books.audit(ledger)
    expect(audit.code).toBe(1)
    expect(audit.text).toContain(order.orderId)
    const { orderId, customer, sku, quantity, cents } = order
    await inOrders('delete from placed_order where id = $1', [orderId])
    await inOrders('insert into placed_order values ($1, $2, $3, $4, $5)', [orderId, customer, sku, quantity, cents])
    await expectBalance()
  })
})

async function inOrders(text: string, values: readonly unknown[]): Promise<void> {
  const client = new pg.Client(shop.ordersDatabase.url)
  await client.connect()
  await client.query(text, [...values])
  await client.end()
}
