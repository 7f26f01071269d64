import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, explain, isTransactionAborted, type Verdict } from '@verdict/client'
import { type Coordinator, groupIdOf, makeManifest, startCoordinator } from '@verdict/coordinator'
import type { ReplicaId } from '@verdict/raft'
import { connectNats, systemClock, systemRandom, type World } from '@verdict/runtime'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NatsServer, startNats } from '../../infra/nats.ts'
import { type PostgresServer, startPostgres } from '../../infra/postgres.ts'
import { Service } from '../../infra/shop/service.ts'
import { memoryStore } from '../../packages/testing/src/memory-store.ts'
import type { Payments } from '../../services/payments/src/payments.ts'
import { armCrash, type CrashPoint } from './crash-point.ts'

const opening = 1_000

let nats: NatsServer
let database: PostgresServer
let world: World & { readonly bus: Awaited<ReturnType<typeof connectNats>> }
let coordinator: Coordinator
let payments: Service
let verdict: Verdict
const logFolder = mkdtempSync(join(tmpdir(), 'verdict-lone-'))

/** A group, which a client needs to know who it is, and payments as a process with a PostgreSQL server. */
beforeAll(async () => {
  ;[nats, database] = await Promise.all([startNats(), startPostgres()])
  world = { clock: systemClock, random: systemRandom, bus: await connectNats({ servers: nats.url, name: 'test' }) }
  const replica = 'n1' as ReplicaId
  const manifest = makeManifest('main', [replica], systemRandom)
  const store = memoryStore({ group: groupIdOf(manifest), replica, members: [replica] })
  coordinator = await startCoordinator({ manifest, replica, store, world, version: 'test' })
  payments = new Service({
    name: 'payments',
    program: 'services/payments/src/main.ts',
    environment: { DATABASE_URL: database.url, NATS_URL: nats.url },
    logFolder,
    preload: `${import.meta.dirname}/crash-points.ts`,
  })
  await payments.start()
  verdict = await connect({ world, owner: 'teller' })
})
afterAll(async () => {
  await verdict.close()
  await payments.stop()
  await coordinator.stop()
  await world.bus.close()
  await Promise.all([nats.stop(), database.stop()])
  rmSync(logFolder, { recursive: true, force: true })
})

async function query(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(database.url)
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}

let orders = 0
/** An account of its own, and what is to be charged to it. */
async function newCharge(): Promise<{ orderId: string; account: string; cents: number }> {
  orders += 1
  const account = `customer-${orders}`
  await query('insert into account (id, cents) values ($1, $2)', [account, opening])
  return { orderId: `order-${orders}`, account, cents: 70 }
}

const ways = {
  'by a call': (charge: Awaited<ReturnType<typeof newCharge>>) =>
    verdict.transaction((tx) => tx.on<Payments>('payments').charge(charge)),
  'in one shot': (charge: Awaited<ReturnType<typeof newCharge>>) =>
    verdict.submit([verdict.call<Payments>('payments').charge(charge)]),
}

describe.each(Object.keys(ways) as (keyof typeof ways)[])('a lone transaction %s', (way) => {
  test('is decided by its participant: no log entry, no prepared transaction, one row', async () => {
    const charge = await newCharge()
    const { receipt } = await ways[way](charge)
    expect(receipt).toMatchObject({ path: 'lone', participants: ['payments'], applied: true })
    expect(receipt.cost).toMatchObject({ hops: 2, flushes: 1, logEntries: 0 })
    expect(explain(receipt)).toContain('lone at payments')
    expect(coordinator.record(receipt.id)).toBeUndefined()
    expect(await query('select mode from verdict.branch where id = $1', [receipt.id])).toEqual([{ mode: 'lone' }])
    expect(await query('select gid from pg_prepared_xacts')).toEqual([])
  })

  test.each<{ point: CrashPoint; told: 'committed' | 'aborted' }>([
    { point: 'before COMMIT', told: way === 'by a call' ? 'aborted' : 'committed' }, // a one-shot is sent again, and runs
    { point: 'after COMMIT', told: 'committed' },
    { point: 'before loneDecided', told: 'committed' },
    { point: 'after loneDecided', told: 'committed' },
  ])('is told $told, and charged accordingly, when payments is killed $point', async ({ point, told }) => {
    const charge = await newCharge()
    const crash = armCrash([payments], point)
    const running = ways[way](charge).then(
      () => 'committed',
      (error: unknown) => (isTransactionAborted(error) ? 'aborted' : Promise.reject(error)),
    )
    await (await crash.victim()).start()
    expect(await running).toBe(told)
    const [account] = await query('select cents from account where id = $1', [charge.account])
    expect(Number(account?.['cents'])).toBe(told === 'committed' ? opening - charge.cents : opening)
    expect(await query('select 1 from payment where order_id = $1', [charge.orderId])).toHaveLength(
      told === 'committed' ? 1 : 0,
    )
  })
})
