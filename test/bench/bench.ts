/**
 * The transfer: one debit and one credit at two services, each with its own PostgreSQL server, as one transaction. Beside it, in the
 * same run and in turns, the floor: the same two prepared transactions driven by hand, with no log. `npm run bench -- --help`.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { type NatsServer, startNats } from '../../infra/nats.ts'
import { type PostgresServer, startPostgres } from '../../infra/postgres.ts'
import { Service } from '../../infra/shop/service.ts'
import { accounts, banks, openAccounts, openingCents, readBooks } from './bank.ts'
import { Generator } from './generator-process.ts'
import { cpuSeconds, flushProbeUs } from './machine.ts'

const root = join(import.meta.dirname, '..', '..')
const replicaNames = ['n1', 'n2', 'n3'] as const
const usage = `npm run bench -- [--json] [--in-flight 1,8,32,64] [--seconds 5] [--rounds 3]

Prints for each number of transfers in flight: rate, median and 99th percentile, CPU seconds per 1,000 (all processes), and the
ratio to the floor, as medians over the rounds. Beside it a flush probe and the CPU that other processes took meanwhile.
--json prints one JSON object a line instead.
`

interface Figures {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuSecondsPer1000: number
  readonly flushProbeUs: number
  /** CPU seconds that processes not of this benchmark took for each second of it. */
  readonly foreignCpu: number
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    'in-flight': { type: 'string', default: '1,8,32,64' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(usage)
else await bench(values['in-flight'].split(',').map(Number), Number(values.seconds) * 1_000, Number(values.rounds))

async function bench(levels: readonly number[], measureMs: number, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-'))
  await using nats = await startNats()
  const floor = await System.start('floor', nats, folder)
  const verdict = await System.start('verdict', nats, folder)
  try {
    if (!values.json)
      console.log('in flight  system    per second   p50 ms   p99 ms  CPU s/1,000  of floor   flush µs  foreign CPU')
    for (const inFlight of levels) {
      const measured = { floor: [] as Figures[], verdict: [] as Figures[] }
      // Turn by turn, so that what the machine does meanwhile strikes both.
      for (let round = 0; round < rounds; round += 1) {
        measured.floor.push(await floor.measure(inFlight, measureMs))
        measured.verdict.push(await verdict.measure(inFlight, measureMs))
      }
      const floorRate = median(measured.floor.map(({ perSecond }) => perSecond))
      for (const system of ['floor', 'verdict'] as const) print(system, inFlight, medians(measured[system]), floorRate)
    }
    await checkBooks('floor', floor)
    await checkBooks('verdict', verdict)
  } finally {
    await verdict.stop()
    await floor.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One of the two that are compared: two PostgreSQL servers, two banks, a generator, and for Verdict three replicas. */
class System {
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

/** No money was made or lost, and nothing is left prepared once the last second phases are through. */
async function checkBooks(name: string, { databases }: System): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  for (;;) {
    const books = await Promise.all(databases.map(({ url }) => readBooks(url)))
    const cents = books.reduce((sum, book) => sum + book.cents, 0)
    const prepared = books.reduce((sum, book) => sum + book.prepared, 0)
    const expected = banks.length * accounts * openingCents
    if (prepared === 0 && cents === expected) {
      console.error(`bench: the books of ${name} balance, nothing is left prepared`)
      return
    }
    if (performance.now() > deadlineMs) {
      throw new Error(
        `The books of ${name} do not balance: ${cents} cents of ${expected}, ${prepared} branches prepared.`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function print(system: 'floor' | 'verdict', inFlight: number, figures: Figures, floorRate: number): void {
  const ratioToFloor = figures.perSecond / floorRate
  if (values.json) {
    console.log(JSON.stringify({ system, inFlight, ...figures, ratioToFloor }))
    return
  }
  const columns = [
    String(inFlight).padStart(9),
    system.padEnd(8),
    figures.perSecond.toFixed(0).padStart(11),
    figures.p50Ms.toFixed(2).padStart(7),
    figures.p99Ms.toFixed(2).padStart(7),
    figures.cpuSecondsPer1000.toFixed(2).padStart(11),
    ratioToFloor.toFixed(2).padStart(8),
    String(figures.flushProbeUs).padStart(9),
    figures.foreignCpu.toFixed(2).padStart(11),
  ]
  console.log(columns.join('  '))
}

function medians(all: readonly Figures[]): Figures {
  const of = (key: keyof Figures): number => median(all.map((figures) => figures[key]))
  return {
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    cpuSecondsPer1000: of('cpuSecondsPer1000'),
    flushProbeUs: of('flushProbeUs'),
    foreignCpu: of('foreignCpu'),
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}
