import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { PostgresServer } from '../postgres.ts'
import type { Service } from '../shop/service.ts'
import type { Shop } from '../shop/shop.ts'
import type { Ledger } from './ledger.ts'

const pollMs = 20
const idleMs = 500 // orders that were let pass are in flight by then
const maxTries = 40 // to kill a service while it holds prepared branches; under load the first or second does

/** What happened, for the screen. */
export interface Disaster {
  readonly killed: string
  readonly found: string
  /** The longest time around the kill in which no order was committed. */
  readonly pauseMs: number
}

/** What the disasters strike. Each throws when `signal` aborts while it waits. */
export interface Scene {
  readonly shop: Shop
  readonly ledger: Ledger
  readonly signal: AbortSignal
}

/** Kills the leading coordinator, sees a leader of a higher term, and starts the killed one again. */
export async function killLeader(scene: Scene): Promise<Disaster> {
  const { shop, signal } = scene
  const before = await until(() => shop.leader(), signal)
  const { service, term } = before
  const pid = service.pid
  const pause = watchPause(scene)
  await service.kill()
  const after = await until(async () => {
    const leader = await shop.leader()
    return leader !== undefined && leader.term > term ? leader : undefined
  }, signal)
  const pauseMs = await pause.end()
  await service.start()
  return {
    killed: `${service.name} (pid ${pid}), leader of term ${term}`,
    found: `${after.service.name} leads in term ${after.term}`,
    pauseMs,
  }
}

/**
 * Kills one of two instances of payments while branches are prepared; the other one finishes them. Undefined when the
 * orders were over before.
 */
export async function killPaymentsInstance(scene: Scene): Promise<Disaster | undefined> {
  const [instance] = scene.shop.payments
  await using database = await Database.connect(scene.shop.paymentsDatabase)
  const killed = await killWhilePrepared(instance, database, scene)
  if (killed === undefined) return undefined
  await database.untilGone(killed.prepared, scene.signal)
  const pauseMs = await killed.pause.end()
  await instance.start()
  return {
    killed: `${instance.name} (pid ${killed.pid}) with ${branches(killed.prepared.length)} prepared in its database`,
    found: 'the other instance finished them',
    pauseMs,
  }
}

/**
 * Kills the only instance of orders while it holds prepared branches; it finishes them when it is back. Undefined when
 * the orders were over before.
 */
export async function killOrders(scene: Scene): Promise<Disaster | undefined> {
  const { shop } = scene
  await using database = await Database.connect(shop.ordersDatabase)
  const killed = await killWhilePrepared(shop.orders, database, scene)
  if (killed === undefined) return undefined
  await shop.orders.start()
  await database.untilGone(killed.prepared, scene.signal)
  return {
    killed: `${shop.orders.name} (pid ${killed.pid}) with ${branches(killed.prepared.length)} prepared in its database`,
    found: 'they were finished after the restart',
    pauseMs: await killed.pause.end(),
  }
}

interface KilledWhilePrepared {
  readonly pid: number | undefined
  readonly prepared: readonly string[]
  readonly pause: PauseWatch
}

/**
 * Waits for a moment when branches are prepared, kills at once, and counts what was left prepared: none means trying again.
 * Undefined when all orders were over before.
 */
async function killWhilePrepared(
  service: Service,
  database: Database,
  scene: Scene,
): Promise<KilledWhilePrepared | undefined> {
  for (let attempt = 1; attempt <= maxTries; attempt += 1) {
    if (!(await isPrepared(database, scene))) return undefined
    const { pid } = service
    const pause = watchPause(scene)
    await service.kill()
    const prepared = await database.prepared()
    if (prepared.length > 0) return { pid, prepared, pause }
    await service.start()
    await pause.end()
  }
  throw new Error(`${service.name} was never killed with a branch prepared, in ${maxTries} kills.`)
}

/** Waits until a branch is prepared; false when nobody places orders any more. */
async function isPrepared(database: Database, { ledger, signal }: Scene): Promise<boolean> {
  const patientUntilMs = performance.now() + idleMs
  return await until(
    async () => {
      if ((await database.prepared()).length > 0) return true
      return ledger.inFlight === 0 && performance.now() > patientUntilMs ? false : undefined
    },
    signal,
    0,
  )
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

  async untilGone(gids: readonly string[], signal: AbortSignal): Promise<void> {
    await until(async () => ((await this.prepared()).some((gid) => gids.includes(gid)) ? undefined : true), signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}

async function until<T>(look: () => Promise<T | undefined>, signal: AbortSignal, pauseMs: number = pollMs): Promise<T> {
  for (;;) {
    signal.throwIfAborted()
    const found = await look()
    if (found !== undefined) return found
    await sleep(pauseMs)
  }
}

interface PauseWatch {
  /** Waits until an order is committed, or all are over, and tells the longest pause since the watch began. */
  end(): Promise<number>
}

function watchPause({ ledger, signal }: Scene): PauseWatch {
  let longestMs = 0
  let lastMs = ledger.lastCommittedAtMs
  const look = (): void => {
    longestMs = Math.max(longestMs, ledger.lastCommittedAtMs - lastMs)
    lastMs = ledger.lastCommittedAtMs
  }
  // It keeps no process alive: whoever is interrupted, be it right before this, does not come to the end of the watch.
  const timer = setInterval(look, 1).unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  return {
    end: async () => {
      const endedAtMs = performance.now()
      const goesOn = (): boolean => ledger.lastCommittedAtMs > endedAtMs || ledger.inFlight === 0
      await until(async () => (goesOn() ? true : undefined), signal)
      clearInterval(timer)
      look()
      return longestMs
    },
  }
}

function branches(count: number): string {
  return `${count} ${count === 1 ? 'branch' : 'branches'}`
}
