import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import type { NatsServer } from '../../infra/nats.ts'
import { type PostgresServer, startPostgres } from '../../infra/postgres.ts'
import { Service } from '../../infra/shop/service.ts'
import { banks, openAccounts } from './bank.ts'
import { Generator } from './generator-process.ts'
import { CpuTimes, flushProbeUs } from './machine.ts'

const root = join(import.meta.dirname, '..', '..')
const replicaNames = ['n1', 'n2', 'n3'] as const

/** What was measured of one system at one load. */
export interface Figures {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuSecondsPer1000: number
  readonly flushProbeUs: number
  /** CPU seconds that processes not of this benchmark took for each second of it. */
  readonly foreignCpu: number
}

/** What was measured, and of how much. */
export interface Measurement extends Figures {
  /** Of the whole time, the warm-up included, at the measured rate. */
  readonly transfers: number
  /** CPU seconds per 1,000 transfers of single processes, by their names. */
  readonly cpuOf: ReadonlyMap<string, number>
}

export interface SystemOptions {
  /** Variables for services, replicas and generator, beside those that they need. */
  readonly environment?: Readonly<Record<string, string>>
  /** A checkout whose programs are measured instead of ours. */
  readonly checkout?: string
  /** Processes of others whose CPU is told apart too. */
  readonly beside?: ReadonlyMap<string, number>
}

/** One of those that are compared: two PostgreSQL servers, two banks, a generator, and for Verdict three replicas. */
export class System {
  readonly databases: readonly PostgresServer[]
  readonly #services: readonly Service[]
  readonly #generator: Generator
  readonly #beside: ReadonlyMap<string, number>

  private constructor(
    databases: readonly PostgresServer[],
    services: readonly Service[],
    generator: Generator,
    beside: ReadonlyMap<string, number>,
  ) {
    this.databases = databases
    this.#services = services
    this.#generator = generator
    this.#beside = beside
  }

  static async start(
    name: 'floor' | 'verdict',
    nats: NatsServer,
    parent: string,
    { environment = {}, checkout = root, beside = new Map() }: SystemOptions = {},
  ): Promise<System> {
    const folder = mkdtempSync(join(parent, `${name}-`))
    const databases = await Promise.all(banks.map(() => startPostgres()))
    await Promise.all(databases.map(({ url }) => openAccounts(url)))
    const common = { NATS_URL: nats.url, SYSTEM: name, ...environment }
    const service = (of: string, path: string, own: Readonly<Record<string, string>>): Service =>
      new Service({
        name: of,
        program: join(relative(root, checkout), path),
        environment: { ...common, ...own },
        logFolder: folder,
      })
    const replicas = name === 'verdict' ? await initialiseGroup(nats, folder) : []
    const services = [
      ...replicas.map(([replica, own]) => service(replica, 'services/coordinator/src/main.ts', own)),
      ...databases.map(({ url }, place) => {
        const bank = banks[place] ?? ''
        return service(bank, 'test/bench/bank-service.ts', { DATABASE_URL: url, BANK: bank })
      }),
    ]
    await Promise.all(services.map((started) => started.start()))
    const generator = await Generator.start(join(checkout, 'test/bench/generator.ts'), common)
    return new System(databases, services, generator, beside)
  }

  async measure(inFlight: number, measureMs: number): Promise<Measurement> {
    const probe = flushProbeUs()
    const before = CpuTimes.read()
    const startedMs = performance.now()
    const warmUpMs = measureMs / 5
    const { perSecond, p50Ms, p99Ms, refused } = await this.#generator.measure({ inFlight, warmUpMs, measureMs })
    const after = CpuTimes.read()
    const seconds = (performance.now() - startedMs) / 1_000
    if (refused > 0) console.error(`bench: ${refused} transfers were refused`)
    const taken = (pid: number): number => after.of(pid) - before.of(pid)
    // Transfers of the warm-up cost CPU too: the whole time is counted against the whole time's transfers.
    const transfers = perSecond * seconds
    const per1000 = (cpuSeconds: number): number => (cpuSeconds / transfers) * 1_000
    const ours = taken(process.pid)
    return {
      perSecond,
      p50Ms,
      p99Ms,
      cpuSecondsPer1000: per1000(ours),
      flushProbeUs: probe,
      foreignCpu: Math.max(0, after.machine - before.machine - ours) / seconds,
      transfers,
      cpuOf: new Map(this.#processes().map(([name, pid]) => [name, per1000(taken(pid))])),
    }
  }

  async stop(): Promise<void> {
    await this.#generator.stop()
    await Promise.all(this.#services.map((service) => service.stop()))
    await Promise.all(this.databases.map((database) => database.stop()))
  }

  #processes(): [name: string, pid: number][] {
    const { pid = 0 } = this.#generator
    return [
      ['client', pid],
      ...this.#services.map(({ name, pid = 0 }) => [name, pid] as [string, number]),
      ...this.#beside,
    ]
  }
}

/** Makes a group, and says for each of its replicas how it is started. */
async function initialiseGroup(
  nats: NatsServer,
  folder: string,
): Promise<[name: string, environment: Record<string, string>][]> {
  const group = join(folder, 'group')
  const args = ['group', 'init', '--name', 'main', '--replicas', replicaNames.join(','), '--folder', group]
  const cli = join(root, 'packages', 'cli', 'src', 'main.ts')
  await promisify(execFile)(process.execPath, ['--conditions=@verdict/source', cli, ...args], { cwd: root })
  return replicaNames.map((name) => [
    `coordinator-${name}`,
    {
      VERDICT_REPLICA: name,
      VERDICT_GROUP_FILE: join(group, 'manifest.json'),
      VERDICT_DATA_FOLDER: join(group, name),
      VERDICT_NATS_URL: nats.url,
      VERDICT_HTTP_PORT: '0',
    },
  ])
}
