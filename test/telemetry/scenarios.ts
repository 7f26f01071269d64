import { join } from 'node:path'
import { trace } from '@opentelemetry/api'
import type { Client } from 'pg'
import { until } from '../end-to-end/until.ts'
import { type Inventory, longMs, type Payments, type Shop, type ShopSettings } from './shop.ts'

/** Something that happens in a shop, and the settings that make it happen soon, or keep other things from happening meanwhile. */
interface Scenario {
  readonly settings?: ShopSettings
  readonly happen: (shop: Shop) => Promise<void>
  /** Where chance decides how often something is tried, no two pictures would be the same. */
  readonly pictured?: false
}

/** Asks for an outcome soon, and then again when a leader says that it leads, and not before. */
const inquiring = { inquireAfterMs: 20, inquiryPauseMs: longMs, maxInquiryPauseMs: longMs, inquirySpreadMs: 1 }
/** Until something is sent again; more than a client waits before it asks again, and long enough that there is an answer before the next time. */
const pauseMs = 1_000
/** What a client asks once more, where another answer than the first one's would make another picture. */
const asksAgain = { type: 'commit', after: 1 } as const

const order = ({ client }: Shop, cents = 70, options = {}) =>
  client.transaction(async (tx) => {
    await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
    await tx.on<Payments>('payments').charge({ cents })
  }, options)

const orderAtOnce = ({ client }: Shop, cents = 70) =>
  client.submit([
    client.call<Inventory>('inventory').reserve({ sku: 'tea' }),
    client.call<Payments>('payments').charge({ cents }),
  ])

/** Lets something fail, and is content with the failure. */
async function failed(promise: Promise<unknown>): Promise<void> {
  await promise.then(
    () => Promise.reject(new Error('It was expected to fail.')),
    () => undefined,
  )
}

/** What no operator should ever do by hand. */
async function rollBackPrepared(client: Client): Promise<void> {
  const { rows } = await client.query<{ gid: string }>('select gid from pg_prepared_xacts')
  for (const { gid } of rows) await client.query(`rollback prepared '${gid}'`)
}

async function restartCoordinator(shop: Shop): Promise<void> {
  await shop.stopCoordinator()
  shop.bus.lose()
  await shop.startCoordinator()
}

export const pictures: string = join(import.meta.dirname, 'pictures')

/** The picture of a scenario. */
export function fileOf(name: string): string {
  return join(pictures, `${name.replaceAll(' ', '-')}.txt`)
}

/** What the pictures show and the reference lists, by name of the picture. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  committed: {
    happen: async (shop) => {
      const { receipt } = await order(shop)
      await shop.settled(receipt.id)
    },
  },
  'committed one-shot': {
    happen: async (shop) => {
      const { receipt } = await orderAtOnce(shop)
      await shop.settled(receipt.id)
    },
  },
  'read-only': {
    happen: async ({ client }) => {
      await client.transaction(async (tx) => {
        await tx.on<Inventory>('inventory').reserved({ sku: 'tea' })
        await tx.on<Payments>('payments').balance({})
      })
    },
  },
  lone: {
    happen: async ({ client }) => {
      await client.transaction((tx) => tx.on<Payments>('payments').charge({ cents: 70 }))
    },
  },
  'lone one-shot': {
    happen: async ({ client }) => {
      await client.submit([client.call<Inventory>('inventory').reserve({ sku: 'tea' })])
    },
  },
  'lone one-shot that is refused': {
    happen: ({ client }) => failed(client.submit([client.call<Payments>('payments').charge({ cents: 7_000 })])),
  },
  'lone commit sent again': {
    happen: async (shop) => {
      shop.bus.lose({ type: 'loneDecided', times: 1 })
      await shop.client.transaction((tx) => tx.on<Payments>('payments').charge({ cents: 70 }))
    },
  },
  'refused call': { happen: (shop) => failed(order(shop, 7_000)) },
  'refused vote': {
    happen: async (shop) => {
      const id = shop.client.newId()
      shop.bus.hold({ type: 'prepare', of: 'payments' }, { type: 'vote', of: 'inventory' })
      await failed(
        shop.client.submit(
          [
            shop.client.call<Inventory>('inventory').reserve({ sku: 'tea' }),
            shop.client.call<Payments>('payments').charge({ cents: 7_000 }),
          ],
          { id },
        ),
      )
      await shop.settled(id)
    },
  },
  'failed operation': {
    happen: ({ client }) => failed(client.transaction((tx) => tx.on<Payments>('payments').fail({}))),
  },
  'failed caller': {
    happen: ({ client }) => failed(client.transaction(() => Promise.reject(new RangeError('Too many cups.')))),
  },
  'budget spent': {
    happen: async (shop) => {
      const id = shop.client.newId()
      shop.bus.lose({ type: 'vote', of: 'payments' })
      await failed(order(shop, 70, { id, budgetMs: 1_500 }))
      await shop.settled(id)
    },
  },
  'outcome sent again': {
    settings: { coordinator: { resendMs: pauseMs } },
    happen: async (shop) => {
      shop.bus.lose({ type: 'outcome', of: 'payments', times: 1 })
      const { receipt } = await order(shop)
      await shop.settled(receipt.id)
    },
  },
  'outcome after a change of leader': {
    happen: async (shop) => {
      shop.bus.lose({ type: 'outcome' })
      const { receipt } = await order(shop)
      await restartCoordinator(shop)
      await shop.settled(receipt.id)
    },
  },
  'commit after a change of leader': {
    happen: async (shop) => {
      shop.bus.lose({ type: 'vote' }, asksAgain)
      const ordered = order(shop)
      await until(() => shop.bus.lost('vote') === 2)
      await restartCoordinator(shop)
      await shop.settled((await ordered).receipt.id)
    },
  },
  'prepare and commit sent again': {
    settings: { coordinator: { resendMs: pauseMs } },
    happen: async (shop) => {
      shop.bus.lose({ type: 'vote', of: 'payments', times: 1 })
      const { receipt } = await order(shop)
      await shop.settled(receipt.id)
    },
  },
  'commit sent again after it was taken up': {
    settings: { payments: inquiring, coordinator: { resendMs: 2_500 } },
    happen: async (shop) => {
      shop.bus.lose({ type: 'vote' }, { type: 'inquiry' }, asksAgain)
      const ordered = order(shop)
      await until(() => shop.bus.lost('vote') === 2 && shop.bus.lost('inquiry') === 1)
      await shop.stopCoordinator()
      shop.bus.lose({ type: 'vote' }, { type: 'commit' })
      await shop.startCoordinator()
      await until(() => shop.bus.lost('vote') === 2)
      shop.bus.lose()
      await shop.settled((await ordered).receipt.id)
    },
  },
  'own spans': {
    happen: ({ client }) =>
      trace.getTracer('checkout').startActiveSpan('request', async (request) => {
        await client.transaction((tx) =>
          trace.getTracer('checkout').startActiveSpan('pay', async (pay) => {
            await tx.on<Payments>('payments').audit({})
            pay.end()
          }),
        )
        request.end()
      }),
  },
  hazard: {
    settings: { coordinator: { resendMs: pauseMs } },
    happen: async (shop) => {
      shop.bus.lose({ type: 'outcome', of: 'payments' })
      const ordered = failed(order(shop, 70, { wait: 'applied' }))
      await until(() => shop.bus.lost('outcome') > 0)
      await shop.database(rollBackPrepared)
      shop.bus.lose()
      await ordered
    },
  },
  'unknown operation': {
    happen: ({ client }) => failed(client.transaction((tx) => tx.on('payments')['refund']?.())),
  },
  'abort on request': {
    happen: async (shop) => {
      const id = shop.client.newId()
      shop.abort(id)
      await shop.settled(id)
    },
  },
  'a look': {
    happen: async (shop) => {
      const { receipt } = await order(shop)
      await shop.settled(receipt.id)
      await shop.client.look(receipt.id)
    },
  },
  'bounds met': {
    settings: { coordinator: { maxUnderway: 0 } },
    happen: async (shop) => {
      const { client } = shop
      await failed(client.transaction((tx) => tx.on('payments')['charge']?.('x'.repeat(70_000))))
      await failed(client.transaction((tx) => tx.on<Payments>('payments').report({})))
      await failed(order(shop, 70, { budgetMs: 300 }))
    },
    pictured: false,
  },
  'bounds of the log met': {
    settings: { raft: { maxReadsWaiting: 1 } },
    happen: async ({ bus, client }) => {
      bus.double('look')
      await client.look(client.newId())
      bus.lose({ type: 'look' })
      await failed(client.look(client.newId(), { budgetMs: 300 }))
    },
    pictured: false,
  },
  inquiry: {
    settings: { payments: { ...inquiring, inquireAfterMs: 1_500 } }, // it is decided by then
    happen: async (shop) => {
      shop.bus.lose({ type: 'outcome', of: 'payments' })
      const { receipt } = await order(shop)
      await shop.settled(receipt.id)
    },
  },
  'taken up after an inquiry': {
    settings: { payments: inquiring },
    happen: async (shop) => {
      const leaving = new AbortController()
      const id = shop.client.newId()
      shop.bus.lose({ type: 'vote' }, { type: 'inquiry' }, asksAgain)
      const ordered = failed(order(shop, 70, { id, signal: leaving.signal }))
      await until(() => shop.bus.lost('vote') === 2 && shop.bus.lost('inquiry') === 1)
      leaving.abort()
      await ordered
      await restartCoordinator(shop)
      await shop.settled(id)
    },
  },
  'the same id again': {
    happen: async (shop) => {
      const id = shop.client.newId()
      await order(shop, 70, { id })
      await shop.settled(id)
      await order(shop, 70, { id })
    },
  },
}
