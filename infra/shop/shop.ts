import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type NatsServer, startNats } from '../nats.ts'
import { type PostgresServer, startPostgres } from '../postgres.ts'
import { Guard } from '../process.ts'
import { Service } from './service.ts'

const root = join(import.meta.dirname, '..', '..')
// Not the system's folder for temporary files: that may lie in memory, where no vote is durable.
const data = join(root, '.tools', 'data')
const replicaNames = ['n1', 'n2', 'n3'] as const

export interface ShopOptions {
  /** A module that is loaded into every service before its program. */
  readonly preload?: string
  /** Variables for every service. */
  readonly environment?: Readonly<Record<string, string>>
  /** Told what is being started, for a progress line. */
  readonly onProgress?: (what: string) => void
}

/** What a replica says of itself. */
export interface ReplicaStatus {
  readonly replica: string
  readonly role: string
  readonly leader?: string
  readonly term: number
  readonly unsettled: number
}

/** The whole shop, with real parts: NATS, three coordinators, two PostgreSQL servers, and the services as processes. */
export class Shop implements AsyncDisposable {
  readonly folder: string
  readonly nats: NatsServer
  readonly paymentsDatabase: PostgresServer
  readonly ordersDatabase: PostgresServer
  readonly replicas: readonly Service[]
  /** Two instances behind one name. */
  readonly payments: readonly [Service, Service]
  readonly orders: Service
  readonly inventory: Service
  readonly checkout: Service
  /** Removes the folder when this process ends without stopping the shop. */
  readonly #guard: Guard

  private constructor(
    folder: string,
    nats: NatsServer,
    paymentsDatabase: PostgresServer,
    ordersDatabase: PostgresServer,
    { preload, environment: common }: ShopOptions,
  ) {
    this.folder = folder
    this.#guard = new Guard('KILL', folder)
    this.nats = nats
    this.paymentsDatabase = paymentsDatabase
    this.ordersDatabase = ordersDatabase
    const service = (name: string, program: string, environment: Record<string, string>): Service =>
      new Service({
        name,
        program,
        environment: { ...common, ...environment },
        logFolder: folder,
        ...(preload === undefined ? {} : { preload }),
      })
    this.replicas = replicaNames.map((name) =>
      service(`coordinator-${name}`, 'services/coordinator/src/main.ts', {
        VERDICT_REPLICA: name,
        VERDICT_GROUP_FILE: join(folder, 'group', 'manifest.json'),
        VERDICT_DATA_FOLDER: join(folder, 'group', name),
        VERDICT_NATS_URL: nats.url,
        VERDICT_HTTP_PORT: '0',
      }),
    )
    const payments = (name: string): Service =>
      service(name, 'services/payments/src/main.ts', { DATABASE_URL: paymentsDatabase.url, NATS_URL: nats.url })
    this.payments = [payments('payments-1'), payments('payments-2')]
    this.orders = service('orders', 'services/orders/src/main.ts', {
      DATABASE_URL: ordersDatabase.url,
      NATS_URL: nats.url,
    })
    this.inventory = service('inventory', 'services/inventory/src/main.ts', {
      DATA_FOLDER: join(folder, 'inventory'),
      NATS_URL: nats.url,
    })
    this.checkout = service('checkout', 'services/checkout/src/main.ts', { NATS_URL: nats.url, HTTP_PORT: '0' })
  }

  /** Starts everything and returns when orders can be placed. */
  static async start(options: ShopOptions = {}): Promise<Shop> {
    const { onProgress = () => undefined } = options
    mkdirSync(data, { recursive: true })
    const folder = mkdtempSync(join(data, 'shop-'))
    onProgress('starting NATS and two PostgreSQL servers')
    const servers = await Promise.allSettled([startNats(), startPostgres(), startPostgres()])
    const [nats, paymentsDatabase, ordersDatabase] = servers
    if (nats.status === 'rejected' || paymentsDatabase.status === 'rejected' || ordersDatabase.status === 'rejected') {
      for (const server of servers) if (server.status === 'fulfilled') await server.value.stop()
      rmSync(folder, { recursive: true, force: true })
      throw servers.find((server) => server.status === 'rejected')?.reason
    }
    const shop = new Shop(folder, nats.value, paymentsDatabase.value, ordersDatabase.value, options)
    try {
      onProgress('making the coordinator group')
      await shop.#initialiseGroup()
      onProgress('starting three coordinators and five services')
      await Promise.all(shop.services().map((service) => service.start()))
      return shop
    } catch (error) {
      await shop.stop()
      throw error
    }
  }

  services(): Service[] {
    return [...this.replicas, ...this.payments, this.orders, this.inventory, this.checkout]
  }

  get checkoutUrl(): string {
    return `http://127.0.0.1:${this.checkout.port}`
  }

  /** What each running replica says of itself. */
  async statuses(): Promise<ReplicaStatus[]> {
    const answers = await Promise.all(
      this.replicas
        .filter((replica) => replica.running)
        .map(async ({ port }) => {
          try {
            return (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as ReplicaStatus
          } catch {
            return undefined
          }
        }),
    )
    return answers.filter((answer) => answer !== undefined)
  }

  /** The replica that leads, by its own word, with its term. */
  async leader(): Promise<{ readonly service: Service; readonly term: number } | undefined> {
    const leaders = (await this.statuses()).filter(({ role }) => role === 'leader').sort((a, b) => b.term - a.term)
    const newest = leaders[0]
    if (newest === undefined) return undefined
    const service = this.replicas.find(({ name }) => name === `coordinator-${newest.replica}`)
    return service === undefined ? undefined : { service, term: newest.term }
  }

  /** Stops everything that was started and removes its data. */
  async stop(): Promise<void> {
    await this.checkout.stop()
    await Promise.all([...this.payments, this.orders, this.inventory].map((service) => service.stop()))
    await Promise.all(this.replicas.map((replica) => replica.stop()))
    await Promise.all([this.nats.stop(), this.paymentsDatabase.stop(), this.ordersDatabase.stop()])
    rmSync(this.folder, { recursive: true, force: true })
    this.#guard.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #initialiseGroup(): Promise<void> {
    const cli = join(root, 'packages', 'cli', 'src', 'main.ts')
    const args = [
      'group',
      'init',
      '--name',
      'main',
      '--replicas',
      replicaNames.join(','),
      '--folder',
      join(this.folder, 'group'),
    ]
    await promisify(execFile)(process.execPath, ['--conditions=@verdict/source', cli, ...args], { cwd: root })
  }
}
