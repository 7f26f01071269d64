import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Shop } from '../../infra/shop/shop.ts'
import { Books } from './books.ts'
import { armCrash } from './crash-point.ts'
import { newKey, place } from './customer.ts'
import { run, shown, statement } from './manual.ts'
import { newOrder } from './order.ts'
import { until } from './until.ts'

let shop: Shop
let books: Books

beforeAll(async () => {
  shop = await Shop.start({ preload: `${import.meta.dirname}/crash-points.ts` })
  books = new Books(shop)
})
afterEach(async () => {
  const gone = shop.services().filter(({ running }) => !running)
  await Promise.all(gone.map((service) => service.start()))
})
afterAll(() => shop.stop())

/** The commands of docs/operations.md under this name, one after another; each must end with 0. */
async function follow(name: string, id?: string): Promise<string> {
  let out = ''
  for (const command of shown(name, id)) {
    const printed = await run(shop, command)
    expect(printed, command.join(' ')).toMatchObject({ code: 0 })
    out += printed.out
  }
  return out
}

/** The name of the transaction that orders holds prepared. */
async function heldByOrders(id: string): Promise<string> {
  const [[, , , text] = []] = shown('prepared')
  const gid = await until(async () => {
    const rows = await statement(shop.ordersDatabase, text ?? '')
    return rows.map((row) => String(row['gid'])).find((found) => found.includes(id))
  })
  return gid
}

async function hazards(): Promise<{ hazardous: number; hazards: { id: string; kind: string; participant: string }[] }> {
  return JSON.parse((await run(shop, ['verdict', 'hazards', '--json'])).out)
}

async function hazardOf(id: string): Promise<{ kind: string; participant: string }> {
  return until(async () => (await hazards()).hazards.find((hazard) => hazard.id === id))
}

describe('R16: a branch that was ended by hand against the outcome', () => {
  test('rolled back though committed: a hazard, until somebody has mended it and says so', async () => {
    const order = newOrder()
    const key = await newKey(shop)
    const crash = armCrash([shop.orders], 'after vote')
    const placing = place(shop, key, order)
    await crash.victim()
    expect(await placing).toMatchObject({ outcome: 'committed' })
    await statement(shop.ordersDatabase, `rollback prepared '${await heldByOrders(key)}'`)
    await shop.orders.start()

    expect(await hazardOf(key)).toMatchObject({ participant: 'orders', kind: 'effects-lost' })
    expect(await follow('look')).toContain('effects-lost')
    expect((await run(shop, ['verdict', 'txn', 'show', key])).out).toMatch(/^settled +no/m)
    const { orderId, customer, sku, quantity, cents } = order
    await statement(
      shop.ordersDatabase,
      `insert into placed_order values ('${orderId}', '${customer}', '${sku}', ${quantity}, ${cents})`,
    )
    const out = await follow('resolve', key)
    expect(out).toMatch(/^resolved at orders: effects-lost/m)
    expect(out).toMatch(/^ +by alice \(as ops\) at .*: entered order again from the customer's mail$/m)
    expect((await hazards()).hazardous).toBe(0)
    await books.closed()
    expect(await place(shop, key, order)).toMatchObject({ outcome: 'committed', replayed: true })
  })

  test('committed though an operator has aborted it: a hazard as well', async () => {
    const order = newOrder()
    const key = await newKey(shop)
    const crash = armCrash([shop.inventory], 'before vote')
    const placing = place(shop, key, order)
    await crash.victim()
    await statement(shop.ordersDatabase, `commit prepared '${await heldByOrders(key)}'`)
    expect(await follow('abort', key)).toMatch(/^by +alice, an operator \(as ops\)$/m)
    expect(await placing).toMatchObject({ outcome: 'refused', code: 'operator-aborted', tryAgain: 'no' })
    await shop.inventory.start()
    expect(await hazardOf(key)).toMatchObject({ participant: 'orders', kind: 'aborted-met-committed' })
    await statement(shop.ordersDatabase, `delete from placed_order where id = '${order.orderId}'`)
    await follow('resolve', key)
    await books.closed()
    expect(await books.storesWith(order.orderId)).toEqual([])
  })
})

test('R16: an operator who aborts what is committed is shown that, and told no', async () => {
  const key = await newKey(shop)
  await place(shop, key, newOrder())
  const [command = []] = shown('abort', key)
  const { code, out, err } = await run(shop, command)
  expect(code).toBe(5)
  expect(out).toMatch(/^outcome +committed$/m)
  expect(err).toContain('an outcome that is recorded stands')
  await books.closed()
})

test('R16: a participant that never comes back is waited for no longer once an operator says so', async () => {
  const order = newOrder()
  const key = await newKey(shop)
  const crash = armCrash([shop.orders], 'after vote')
  const placing = place(shop, key, order)
  await crash.victim()
  expect(await placing).toMatchObject({ outcome: 'committed' })
  expect(await follow('gone', key)).toContain('resolved at orders: never-acknowledged')
  await until(async () => (await run(shop, ['verdict', 'txn', 'show', key])).out.match(/^settled +yes$/m) !== null)
  await shop.orders.start()
  await books.closed()
  expect(await books.storesWith(order.orderId)).toContain('orders')
})
