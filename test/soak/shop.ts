import { execFile } from 'node:child_process'
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { open } from 'lmdb'
import pg from 'pg'
import { startNats } from '../../infra/nats.ts'
import { startPostgres } from '../../infra/postgres.ts'
import { Service } from '../../infra/shop/service.ts'
import { openAccounts } from '../bench/bank.ts'
import { Generator } from '../bench/generator-process.ts'
import { memoryOf } from './memory.ts'
import type { Gauge } from './sample.ts'

const root = join(import.meta.dirname, '..', '..')
const replicaNames = ['n1', 'n2', 'n3'] as const
/** The shortest that a group may have: three epochs of ten seconds. */
export const retentionMs = 30_000

/** Three replicas, two banks and a load as processes, and everything that is to stay bounded at them. */
export class Shop implements AsyncDisposable {
  readonly load: Generator
  readonly #meters: readonly Meter[]
  readonly #stack: AsyncDisposableStack

  private constructor(load: Generator, meters: readonly Meter[], stack: AsyncDisposableStack) {
    this.load = load
    this.#meters = meters
    this.#stack = stack
  }

  /** Starts all in an empty folder. */
  static async open(folder: string): Promise<Shop> {
    await using stack = new AsyncDisposableStack()
    const nats = stack.use(await startNats())
    const database = await startPostgres()
    stack.defer(() => database.stop())
    await openAccounts(database.url)
    const client = new pg.Client(database.url)
    await client.connect()
    stack.defer(() => client.end())
    const start = async (name: string, program: string, own: Readonly<Record<string, string>>): Promise<Service> => {
      const service = new Service({ name, program, environment: own, logFolder: folder })
      stack.defer(() => service.stop())
      await service.start()
      return service
    }
    const [group, accounts] = [join(folder, 'group'), join(folder, 'bank-b')]
    await initialiseGroup(group)
    mkdirSync(accounts)
    const replicas = await Promise.all(
      replicaNames.map((name) => start(name, 'services/coordinator/src/main.ts', environmentOf(name, group, nats.url))),
    )
    const banks = await Promise.all([
      start('bank-a', 'test/bench/bank-service.ts', { DATABASE_URL: database.url, BANK: 'bank-a', NATS_URL: nats.url }),
      start('bank-b', 'test/soak/lmdb-bank.ts', { DATA_FOLDER: accounts, NATS_URL: nats.url }),
    ])
    const load = await Generator.start(join(root, 'test/soak/load.ts'), { NATS_URL: nats.url })
    stack.defer(() => load.stop())
    const processes = [...replicas, ...banks, { name: 'load', pid: load.pid }]
    const meters = [
      ...processes.map(
        ({ name, pid = 0 }): Meter => ({ name: `${name}: memory`, unit: 'bytes', read: () => memoryOf(pid) }),
      ),
      ...replicaNames.map((name) => fileMeter(`${name}: file of log and records`, join(group, name, 'data.mdb'))),
      fileMeter('bank-b: file of the store', join(accounts, 'data.mdb')),
      rowMeter(accounts),
      ...tableMeters(client),
    ]
    return new Shop(load, meters, stack.move())
  }

  get gauges(): readonly Gauge[] {
    return this.#meters
  }

  /** What all gauges show, in their order. */
  read(): Promise<readonly number[]> {
    return Promise.all(this.#meters.map(async ({ read }) => read()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

interface Meter extends Gauge {
  readonly read: () => number | Promise<number>
}

function fileMeter(name: string, path: string): Meter {
  return { name, unit: 'bytes', read: () => statSync(path).size }
}

/** Rows of ended branches in bank-b's store: their keys begin with an e. */
function rowMeter(path: string): Meter {
  const read = async (): Promise<number> => {
    const store = open<Uint8Array, Uint8Array>({ path, readOnly: true, encoding: 'binary', keyEncoding: 'binary' })
    try {
      return store.getKeysCount({ start: Buffer.from('e'), end: Buffer.from('f') })
    } finally {
      await store.close()
    }
  }
  return { name: 'bank-b: rows of the journal', unit: 'rows', read }
}

function tableMeters(client: pg.Client): Meter[] {
  const ask = async (sql: string): Promise<number> =>
    Number((await client.query<{ value: string }>(`select ${sql} as value`)).rows[0]?.value)
  return [
    { name: 'bank-a: rows of the journal', unit: 'rows', read: () => ask('(select count(*) from verdict.branch)') },
    {
      name: 'bank-a: journal with its indexes',
      unit: 'bytes',
      read: () => ask("pg_total_relation_size('verdict.branch')"),
    },
  ]
}

async function initialiseGroup(folder: string): Promise<void> {
  const args = ['--name', 'main', '--replicas', replicaNames.join(','), '--folder', folder]
  const cli = ['--conditions=@verdict/source', join(root, 'packages', 'cli', 'src', 'main.ts'), 'group', 'init']
  const retention = ['--retention-minutes', String(retentionMs / 60_000)]
  await promisify(execFile)(process.execPath, [...cli, ...args, ...retention], { cwd: root })
}

function environmentOf(replica: string, group: string, natsUrl: string): Record<string, string> {
  return {
    VERDICT_REPLICA: replica,
    VERDICT_GROUP_FILE: join(group, 'manifest.json'),
    VERDICT_DATA_FOLDER: join(group, replica),
    VERDICT_NATS_URL: natsUrl,
    VERDICT_HTTP_PORT: '0',
  }
}
