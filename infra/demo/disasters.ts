import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { PostgresServer } from '../postgres.ts'
import type { Service } from '../shop/service.ts'
import type { Shop } from '../shop/shop.ts'
import type { Ledger } from './ledger.ts'

const pollMs = 20
const maxTries = 40 // to catch a service while it holds prepared branches; under load the first or second does

/** What happened, for the screen. */
export interface Disaster {
  readonly killed: string
  readonly found: string
  /** The longest time around the kill in which no order was decided. */
  readonly pauseMs: number
}

/** Kills the leading coordinator, sees a leader of a higher term, and starts the killed one again. */
export async function killLeader(shop: Shop, ledger: Ledger): Promise<Disaster> {
  const before = await until(() => shop.leader())
  const { service, term } = before
  const pid = service.pid
  const pause = watchPause(ledger)
  await service.kill()
  const after = await until(async () => {
    const leader = await shop.leader()
    return leader !== undefined && leader.term > term ? leader : undefined
  })
  const pauseMs = await pause.end()
  await service.start()
  return {
    killed: `${service.name} (pid ${pid}), leader of term ${term}`,
    found: `${after.service.name} leads in term ${after.term}`,
    pauseMs,
  }
}

/** Kills one of two instances of payments while branches are prepared; the other one finishes them. */
export async function killPaymentsInstance(shop: Shop, ledger: Ledger): Promise<Disaster> {
  const [instance] = shop.payments
  const killed = await killWhilePrepared(instance, shop.paymentsDatabase, ledger)
  await untilGone(shop.paymentsDatabase, killed.prepared)
  const pauseMs = await killed.pause.end()
  await instance.start()
  return {
    killed: `${instance.name} (pid ${killed.pid}) with ${killed.prepared.length} branches prepared in its database`,
    found: 'the other instance finished them',
    pauseMs,
  }
}

/** Kills the only instance of orders while it holds prepared branches; it finishes them when it is back. */
export async function killOrders(shop: Shop, ledger: Ledger): Promise<Disaster> {
  const killed = await killWhilePrepared(shop.orders, shop.ordersDatabase, ledger)
  await shop.orders.start()
  await untilGone(shop.ordersDatabase, killed.prepared)
  return {
    killed: `${shop.orders.name} (pid ${killed.pid}) with ${killed.prepared.length} branches prepared in its database`,
    found: 'they were finished after the restart',
    pauseMs: await killed.pause.end(),
  }
}

interface KilledWhilePrepared {
  readonly pid: number | undefined
  readonly prepared: readonly string[]
  readonly pause: PauseWatch
}

async function killWhilePrepared(
  service: Service,
  database: PostgresServer,
  ledger: Ledger,
): Promise<KilledWhilePrepared> {
  for (let attempt = 1; attempt <= maxTries; attempt += 1) {
    const { pid } = service
    const pause = watchPause(ledger)
    await service.kill()
    const prepared = await preparedBranches(database)
    if (prepared.length > 0) return { pid, prepared, pause }
    await pause.end()
    await service.start()
    await sleep(pollMs * attempt)
  }
  throw new Error(`${service.name} was never seen with a prepared branch in ${maxTries} kills.`)
}

/** Names of the transactions that are prepared in a database. */
export async function preparedBranches(database: PostgresServer): Promise<string[]> {
  return await query<{ gid: string }>(database, 'select gid from pg_prepared_xacts order by gid').then((rows) =>
    rows.map(({ gid }) => gid),
  )
}

async function untilGone(database: PostgresServer, gids: readonly string[]): Promise<void> {
  await until(async () => {
    const left = await preparedBranches(database)
    return left.some((gid) => gids.includes(gid)) ? undefined : true
  })
}

async function query<Row extends pg.QueryResultRow>(database: PostgresServer, text: string): Promise<Row[]> {
  const client = new pg.Client(database.url)
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(pollMs)
  }
}

interface PauseWatch {
  /** Waits for the next decided order, and tells the longest pause since the watch began. */
  end(): Promise<number>
}

function watchPause(ledger: Ledger): PauseWatch {
  let longestMs = 0
  let lastMs = ledger.lastDecidedAtMs
  const look = (): void => {
    if (ledger.lastDecidedAtMs === lastMs) return
    longestMs = Math.max(longestMs, ledger.lastDecidedAtMs - lastMs)
    lastMs = ledger.lastDecidedAtMs
  }
  const startedAtMs = performance.now()
  const timer = setInterval(look, 1)
  return {
    end: async () => {
      while (ledger.lastDecidedAtMs <= startedAtMs && ledger.inFlight > 0) await sleep(pollMs)
      clearInterval(timer)
      look()
      return longestMs
    },
  }
}
