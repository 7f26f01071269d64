/**
 * The log: three replicas as processes on one machine, durable, written to by a client process over NATS. Beside it, in turns, etcd with
 * three members, when it is on PATH. `npm run bench:raft -- --help`.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Group } from '../raft/group.ts'
import { Etcd, etcdProgram } from './etcd.ts'
import { type EtcdClient, etcdClients } from './etcd-client.ts'
import { Generator } from './generator-process.ts'
import { CpuTimes, flushProbeUs } from './machine.ts'
import { median } from './median.ts'

const usage = `npm run bench:raft -- [--json] [--in-flight 1,16,64,256,1024] [--seconds 3] [--rounds 3] [--etcd-client http2]
                      [--etcd-connections 16] [--profile FOLDER]

Prints for each number of writes in flight, as medians over the rounds: committed entries a second, median and 99th percentile of the
time until the client has the answer, CPU seconds per 1,000 entries of all servers (replicas and nats-server, or etcd's members) and
of the client, and the ratio to etcd. Beside it a flush probe, the load average, and the CPU that other processes took meanwhile.
etcd is written to by its gRPC interface: over Node's HTTP/2 alone, or by the library that Node programs use for it (grpc-js), which takes
more CPU for each write. --json prints one JSON object a line instead. --profile has each replica write a CPU profile into a folder.
`

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    'in-flight': { type: 'string', default: '1,16,64,256,1024' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    'etcd-client': { type: 'string', default: 'http2' },
    'etcd-connections': { type: 'string', default: '16' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const headings =
  'in flight  system  per second   p50 ms   p99 ms  CPU s/1,000    client  of etcd   flush µs   load  foreign CPU'
const generator = join(import.meta.dirname, 'raft-generator.ts')

interface Figures {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuSecondsPer1000: number
  readonly clientCpuSecondsPer1000: number
  readonly flushProbeUs: number
  readonly load: number
  readonly foreignCpu: number
}

/** One of those that are compared, with its load. */
interface System {
  readonly name: 'raft' | 'etcd'
  readonly generator: Generator
  readonly servers: readonly number[]
}

if (values.help) process.stdout.write(usage)
else await bench(values['in-flight'].split(',').map(Number), Number(values.seconds) * 1_000, Number(values.rounds))

async function bench(levels: readonly number[], measureMs: number, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-etcd-'))
  const program = etcdProgram()
  if (program === undefined)
    console.error('bench: no etcd on PATH (Debian: etcd-server); there is nothing to compare with')
  await using group = await startGroup()
  const etcd = program === undefined ? undefined : await Etcd.start(program, folder)
  const systems: System[] = []
  try {
    systems.push(await loadRaft(group))
    if (etcd !== undefined) systems.push(await loadEtcd(etcd))
    if (!values.json) console.log(headings)
    for (const inFlight of levels) await compare(systems, inFlight, measureMs, rounds)
  } finally {
    await Promise.all(systems.map((system) => system.generator.stop()))
    await etcd?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function startGroup(): Promise<Group> {
  const { profile } = values
  if (profile !== undefined) mkdirSync(profile, { recursive: true })
  const options = profile === undefined ? '' : `--cpu-prof --cpu-prof-dir=${profile}`
  return Group.start({ machine: 'registers', environment: { NODE_OPTIONS: options } })
}

async function loadRaft(group: Group): Promise<System> {
  await group.leader()
  const servers = [...group.pids, ...childrenNamed('nats-server')]
  return {
    name: 'raft',
    servers,
    generator: await Generator.start(generator, { SYSTEM: 'raft', NATS_URL: group.nats.url }),
  }
}

async function loadEtcd(etcd: Etcd): Promise<System> {
  const environment = {
    SYSTEM: 'etcd',
    ETCD_URL: await etcd.leaderUrl(),
    ETCD_CONNECTIONS: values['etcd-connections'],
    ETCD_CLIENT: clientOf(values['etcd-client']),
  }
  return { name: 'etcd', servers: etcd.pids, generator: await Generator.start(generator, environment) }
}

function clientOf(name: string): EtcdClient {
  const client = etcdClients.find((known) => known === name)
  if (client === undefined) throw new Error(`${name} is no client of etcd here; expected ${etcdClients.join(' or ')}.`)
  return client
}

/** Turn by turn, so that what the machine does meanwhile strikes both. */
async function compare(systems: readonly System[], inFlight: number, measureMs: number, rounds: number): Promise<void> {
  const measured = systems.map(() => [] as Figures[])
  for (let round = 0; round < rounds; round += 1) {
    for (const [place, system] of systems.entries()) measured[place]?.push(await measure(system, inFlight, measureMs))
  }
  const figures = systems.map((_, place) => medians(measured[place] ?? []))
  const etcdPerSecond = figures[systems.findIndex(({ name }) => name === 'etcd')]?.perSecond
  for (const [place, { name }] of systems.entries()) {
    const of = figures[place]
    if (of !== undefined) print(name, inFlight, of, etcdPerSecond === undefined ? null : of.perSecond / etcdPerSecond)
  }
}

async function measure(system: System, inFlight: number, measureMs: number): Promise<Figures> {
  const [load = 0] = loadavg()
  const probe = flushProbeUs()
  const before = CpuTimes.read()
  const startedMs = performance.now()
  const { perSecond, p50Ms, p99Ms, refused } = await system.generator.measure({
    inFlight,
    warmUpMs: measureMs / 3,
    measureMs,
  })
  const after = CpuTimes.read()
  const seconds = (performance.now() - startedMs) / 1_000
  if (refused > 0) console.error(`bench: ${refused} writes to ${system.name} were refused`)
  const taken = (pid: number): number => after.of(pid) - before.of(pid)
  // The warm-up costs CPU too: the whole time is counted against the whole time's writes.
  const per1000 = (cpuSeconds: number): number => (cpuSeconds / (perSecond * seconds)) * 1_000
  return {
    perSecond,
    p50Ms,
    p99Ms,
    cpuSecondsPer1000: per1000(system.servers.reduce((sum, pid) => sum + taken(pid), 0)),
    clientCpuSecondsPer1000: per1000(taken(system.generator.pid ?? 0)),
    flushProbeUs: probe,
    load,
    foreignCpu: Math.max(0, after.machine - before.machine - taken(process.pid)) / seconds,
  }
}

/** Processes that this one started, by the name of their program. */
function childrenNamed(program: string): readonly number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const [, name, parent] = /\((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
        return name === program && Number(parent) === process.pid
      } catch {
        return false // it ended while we looked
      }
    })
    .map(Number)
}

function medians(all: readonly Figures[]): Figures {
  const of = (key: keyof Figures): number => median(all.map((figures) => figures[key]))
  return {
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    cpuSecondsPer1000: of('cpuSecondsPer1000'),
    clientCpuSecondsPer1000: of('clientCpuSecondsPer1000'),
    flushProbeUs: of('flushProbeUs'),
    load: of('load'),
    foreignCpu: of('foreignCpu'),
  }
}

function print(system: System['name'], inFlight: number, figures: Figures, ratioToEtcd: number | null): void {
  if (values.json) {
    console.log(JSON.stringify({ system, inFlight, ...figures, ratioToEtcd }))
    return
  }
  const columns = [
    String(inFlight).padStart(9),
    system.padEnd(6),
    figures.perSecond.toFixed(0).padStart(10),
    figures.p50Ms.toFixed(2).padStart(7),
    figures.p99Ms.toFixed(2).padStart(7),
    figures.cpuSecondsPer1000.toFixed(3).padStart(11),
    figures.clientCpuSecondsPer1000.toFixed(3).padStart(8),
    (ratioToEtcd?.toFixed(2) ?? '-').padStart(7),
    String(figures.flushProbeUs).padStart(9),
    figures.load.toFixed(1).padStart(5),
    figures.foreignCpu.toFixed(2).padStart(11),
  ]
  console.log(columns.join('  '))
}
