import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Ledger } from '../../infra/demo/ledger.ts'
import type { Service } from '../../infra/shop/service.ts'
import { Shop } from '../../infra/shop/shop.ts'
import { Books, everyStore } from './books.ts'
import { armCrash, type CrashPoint } from './crash-point.ts'
import { newKey, place } from './customer.ts'
import { newOrder } from './order.ts'

interface Crash {
  readonly point: CrashPoint
  /** What the customer is told in the end. */
  readonly told: 'committed' | 'refused'
}

/** The protocol from a replica's side. Its customer asks again, so that what was never decided is asked anew. */
const ofTheLeader: readonly Crash[] = [
  { point: 'after prepare', told: 'committed' },
  { point: 'before flush of a decision', told: 'committed' },
  { point: 'after flush of a decision', told: 'committed' },
  { point: 'before decided', told: 'committed' },
  { point: 'after decided', told: 'committed' },
  { point: 'after outcome', told: 'committed' },
]

/** From the side of a participant with a PostgreSQL server. What was not prepared dies with its process. */
const ofPostgres: readonly Crash[] = [
  { point: 'before PREPARE TRANSACTION', told: 'refused' },
  { point: 'after PREPARE TRANSACTION', told: 'committed' },
  { point: 'before vote', told: 'committed' },
  { point: 'after vote', told: 'committed' },
  { point: 'before COMMIT PREPARED', told: 'committed' },
  { point: 'after COMMIT PREPARED', told: 'committed' },
  { point: 'before ack', told: 'committed' },
  { point: 'after ack', told: 'committed' },
]

const ofLmdb: readonly Crash[] = [
  { point: 'before flush of a prepared branch', told: 'refused' },
  { point: 'after flush of a prepared branch', told: 'committed' },
  { point: 'after vote', told: 'committed' },
  { point: 'before flush of an ended branch', told: 'committed' },
  { point: 'after flush of an ended branch', told: 'committed' },
]

const ofTheCustomersSide: readonly Crash[] = [
  { point: 'before commit', told: 'committed' },
  { point: 'after commit', told: 'committed' },
]

let shop: Shop
let books: Books
const ledger = new Ledger()

beforeAll(async () => {
  shop = await Shop.start({ preload: `${import.meta.dirname}/crash-points.ts` })
  books = new Books(shop)
})
afterAll(() => shop.stop())

describe('kill -9 of the leading coordinator', () => {
  test.each(ofTheLeader)('$point: $told', async (crash) => {
    const leader = await shop.leader()
    if (leader === undefined) throw new Error('Nobody leads.')
    await placeThroughCrash([leader.service], crash)
  })
})

describe('kill -9 of payments, whose other instance lives on', () => {
  test.each(ofPostgres)('$point: $told', (crash) => placeThroughCrash(shop.payments, crash, { restart: 'afterwards' }))
})

test('kill -9 of the last instance of payments while it holds a prepared branch: it starts again, and finishes it', async () => {
  const [last, other] = shop.payments
  await other.kill()
  await placeThroughCrash([last], { point: 'after vote', told: 'committed' })
  await other.start()
})

describe('kill -9 of the only instance of orders', () => {
  test.each(ofPostgres)('$point: $told', (crash) => placeThroughCrash([shop.orders], crash))
})

describe('kill -9 of inventory', () => {
  test.each(ofLmdb)('$point: $told', (crash) => placeThroughCrash([shop.inventory], crash))
})

describe('kill -9 of checkout', () => {
  test.each(ofTheCustomersSide)('$point: the same key places it, once', (crash) =>
    placeThroughCrash([shop.checkout], crash),
  )
})

/** One order while one of the services crashes: what the customer is told is what all stores hold, and nothing stays behind. */
async function placeThroughCrash(
  services: readonly Service[],
  { point, told }: Crash,
  { restart }: { restart: 'at once' | 'afterwards' } = { restart: 'at once' },
): Promise<void> {
  const order = newOrder()
  const before = await books.balance(order.customer)
  const key = await newKey(shop)
  const crash = armCrash(services, point)
  const placing = place(shop, key, order)
  const victim = await crash.victim()
  if (restart === 'at once') await victim.start()
  const { outcome } = await placing
  ledger.record({ order, outcome }, 0)
  await books.closed()
  if (restart === 'afterwards') await victim.start()
  expect(outcome).toBe(told)
  expect(await books.storesWith(order.orderId)).toEqual(told === 'committed' ? everyStore : [])
  expect(await books.balance(order.customer)).toBe(before - (told === 'committed' ? order.cents : 0))
  expect(await books.audit(ledger)).toMatchObject({ code: 0 })
}
