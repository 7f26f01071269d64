import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { encodePacket } from '@verdict/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { placeOrders } from '../../infra/demo/customers.ts'
import { Ledger } from '../../infra/demo/ledger.ts'
import { Shop } from '../../infra/shop/shop.ts'
import { Books } from './books.ts'
import { newKey, place } from './customer.ts'
import { newOrder, newOrders, penniless } from './order.ts'
import { hostilePayloads, Stranger, unreadable } from './stranger.ts'
import { until } from './until.ts'
import { frameOf } from './wire.ts'
import { Wiretap } from './wiretap.ts'

const root = join(import.meta.dirname, '..', '..')
const inFlight = 16

/** What a shop says in half a minute whatever happens; `abort`, `hazard` and sweeps take more than that. */
const everyday = [
  ...['hello', 'call', 'release', 'commit', 'look', 'status', 'prepare', 'outcome', 'vote', 'ack', 'announce', 'raft'],
  'answers',
]

let shop: Shop
let books: Books
let tap: Wiretap
let stranger: Stranger
const ledger = new Ledger()
const over = new AbortController()

beforeAll(async () => {
  shop = await Shop.start()
  books = new Books(shop)
  tap = await Wiretap.on(shop.nats.url)
  stranger = await Stranger.on(shop.nats.url)
})
afterAll(async () => {
  over.abort()
  await tap.stop()
  await stranger.stop()
  await shop.stop()
})

test('all that is said stands in the table of messages, while services are killed and come back', async () => {
  const orders = [newOrder({ customer: penniless }), ...newOrders(60)]
  const placing = placeOrders(orders, inFlight, () => shop.checkoutUrl, ledger, over.signal)
  await until(() => ledger.entries.length > 10)
  const leader = await until(() => shop.leader())
  await Promise.all([leader.service.kill(), shop.orders.kill()])
  await Promise.all([leader.service.start(), shop.orders.start()])
  await placing
  const cli = join(root, 'packages', 'cli', 'src', 'main.ts')
  const args = ['--conditions=@verdict/source', cli, 'status', '--servers', shop.nats.url]
  expect((await promisify(execFile)(process.execPath, args)).stdout).toContain('leader')
  await books.closed()
  expect(await books.audit(ledger)).toMatchObject({ code: 0 })
  expect([...tap.messages]).toEqual(expect.arrayContaining(everyday))
  expect(tap.strangers).toEqual([])
})

test.each([
  { what: 'a subject that is not in the table', subject: 'verdict.v1.gossip.main', message: 'hello' },
  { what: 'a message on the subject of another one', subject: 'verdict.v1.hello.main.stranger', message: 'status' },
] as const)('and $what would be noticed', async ({ subject, message }) => {
  await stranger.say(subject, frameOf(encodePacket({ request: 0, message: { type: message } })))
  await until(() => tap.strangers.some((found) => found.startsWith(subject)))
})

describe('what nobody can use', () => {
  test.each(Object.entries(hostilePayloads))('%s harms nobody, on any subject', async (_, payload) => {
    const pids = shop.services().map(({ pid }) => pid)
    const subjects = [...tap.heard.values()].map(({ subject }) => subject)
    expect(subjects.length).toBeGreaterThan(everyday.length - 3)
    for (const subject of subjects) await stranger.say(subject, payload)
    const order = newOrder()
    const { outcome } = await place(shop, await newKey(shop), order)
    ledger.record({ order, outcome }, 0)
    expect(outcome).toBe('committed')
    expect(shop.services().map(({ pid }) => pid)).toEqual(pids)
  })

  const requests = [
    'v.hello.<group name>.o',
    'v.call.p.o',
    'v.call.p.i.o',
    'v.group.g.o',
    'v.look.g.o',
    'v.status.g.r.o',
  ]

  test.each(requests)('is answered with a failure where it asks on %s', async (written) => {
    const { subject } = await until(() => tap.heard.get(written))
    const own = subject.replace(/\.[^.]+$/, '.stranger')
    for (const payload of Object.values(unreadable)) {
      const answer = stranger.ask(own, payload)
      expect(await until(answer)).toBe('failure')
    }
  })

  test('is counted in the log of the coordinators', () => {
    const logs = shop.replicas.map(({ name }) => readFileSync(join(shop.folder, `${name}.log`), 'utf8'))
    expect(logs.join('\n')).toMatch(/"dropped":\d+,"msg":"dropped a message that cannot be used"/)
  })

  test('has changed nothing: the books balance', async () => {
    await books.closed()
    expect(await books.audit(ledger)).toMatchObject({ code: 0 })
  })
})
