import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { NatsServer } from '../../infra/nats.ts'
import { type PostgresServer, startPostgres } from '../../infra/postgres.ts'
import { Service } from '../../infra/shop/service.ts'
import { banks, openAccounts } from './bank.ts'
import { Generator } from './generator-process.ts'
import { cpuSeconds, flushProbeUs } from './machine.ts'

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

/** One of the two that are compared: two PostgreSQL servers, two banks, a generator, and for Verdict three replicas. */
export class System {
  readonly databases: readonly PostgresServer[]
  readonly #services: readonly Service[]
  readonly #generator: Generator

  private constructor(databases: readonly PostgresServer[], services: readonly Service[], generator: Generator) {
    this.databases = databases
    this.#services = services
    this.#generator = generator
  }

  static async start(name: 'floor' | 'verdict', nats: NatsServer, folder: string): Promise<System> {
    const databases = await Promise.all(banks.map(() => startPostgres()))
    await Promise.all(databases.map(({ url }) => openAccounts(url)))
    const common = { NATS_URL: nats.url, SYSTEM: name }
    const services = [
      ...(name === 'verdict' ? await replicas(nats, folder) : []),
      ...databases.map(({ url }, place) => {
        const bank = banks[place] ?? ''
        const environment = { ...common, DATABASE_URL: url, BANK: bank }
        return new Service({
          name: `${name}-${bank}`,
          program: 'test/bench/bank-service.ts',
          environment,
          logFolder: folder,
        })
      }),
    ]
    await Promise.all(services.map((service) => service.start()))
    return new System(databases, services, await Generator.start(common))
  }

  async measure(inFlight: number, measureMs: number): Promise<Figures> {
    const probe = flushProbeUs()
    const before = cpuSeconds()
    const startedMs = performance.now()
    const warmUpMs = measureMs / 5
    const { perSecond, p50Ms, p99Ms, refused } = await this.#generator.measure({ inFlight, warmUpMs, measureMs })
    const after = cpuSeconds()
    const seconds = (performance.now() - startedMs) / 1_000
    if (refused > 0) console.error(`bench: ${refused} transfers were refused`)
    const ours = after.ours - before.ours
    return {
      perSecond,
      p50Ms,
      p99Ms,
      // Transfers of the warm-up cost CPU too: the whole time is counted against the whole time's transfers.
      cpuSecondsPer1000: (ours / (perSecond * seconds)) * 1_000,
      flushProbeUs: probe,
      foreignCpu: Math.max(0, after.machine - before.machine - ours) / seconds,
    }
  }

  async stop(): Promise<void> {
    await this.#generator.stop()
    await Promise.all(this.#services.map((service) => service.stop()))
    await Promise.all(this.databases.map((database) => database.stop()))
  }
}

async function replicas(nats: NatsServer, folder: string): Promise<Service[]> {
  const group = join(folder, 'group')
  const args = ['group', 'init', '--name', 'main', '--replicas', replicaNames.join(','), '--folder', group]
  const cli = join(root, 'packages', 'cli', 'src', 'main.ts')
  await promisify(execFile)(process.execPath, ['--conditions=@verdict/source', cli, ...args], { cwd: root })
  return replicaNames.map((name) => {
    const environment = {
      VERDICT_REPLICA: name,
      VERDICT_GROUP_FILE: join(group, 'manifest.json'),
      VERDICT_DATA_FOLDER: join(group, name),
      VERDICT_NATS_URL: nats.url,
      VERDICT_HTTP_PORT: '0',
    }
    return new Service({
      name: `coordinator-${name}`,
      program: 'services/coordinator/src/main.ts',
      environment,
      logFolder: folder,
    })
  })
}
