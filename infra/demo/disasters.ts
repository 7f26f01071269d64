import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { PostgresServer } from '../postgres.ts'
import type { Service } from '../shop/service.ts'
import type { Shop } from '../shop/shop.ts'
import type { Ledger } from './ledger.ts'

const pollMs = 20
const maxTries = 40 // to kill a service while it holds prepared branches; under load the first or second does

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
  await using database = await Database.connect(shop.paymentsDatabase)
  const killed = await killWhilePrepared(instance, database, ledger)
  await database.untilGone(killed.prepared)
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
  await using database = await Database.connect(shop.ordersDatabase)
  const killed = await killWhilePrepared(shop.orders, database, ledger)
  await shop.orders.start()
  await database.untilGone(killed.prepared)
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

/** Waits for a moment when branches are prepared, kills at once, and counts what was left prepared: none means trying again. */
async function killWhilePrepared(service: Service, database: Database, ledger: Ledger): Promise<KilledWhilePrepared> {
  for (let attempt = 1; attempt <= maxTries; attempt += 1) {
    await until(async () => ((await database.prepared()).length > 0 ? true : undefined), 0)
    const { pid } = service
    const pause = watchPause(ledger)
    await service.kill()
    const prepared = await database.prepared()
    if (prepared.length > 0) return { pid, prepared, pause }
    await pause.end()
    await service.start()
  }
  throw new Error(`${service.name} was never killed with a branch prepared, in ${maxTries} kills.`)
}

/** A look into a database from outside, on one connection. */
class Database implements AsyncDisposable {
  readonly #client: pg.Client

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async connect({ url }: PostgresServer): Promise<Database> {
    const client = new pg.Client(url)
    client.on('error', () => undefined)
    await client.connect()
    return new Database(client)
  }

  /** Names of the transactions that are prepared. */
  async prepared(): Promise<string[]> {
    const { rows } = await this.#client.query<{ gid: string }>('select gid from pg_prepared_xacts order by gid')
    return rows.map(({ gid }) => gid)
  }

  async untilGone(gids: readonly string[]): Promise<void> {
    await until(async () => ((await this.prepared()).some((gid) => gids.includes(gid)) ? undefined : true))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}

async function until<T>(look: () => Promise<T | undefined>, pauseMs: number = pollMs): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(pauseMs)
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
