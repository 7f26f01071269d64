import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { natsProgram } from '../../infra/nats.ts'
import { freePort } from '../../infra/port.ts'
import { type BankName, openingScript } from './bank.ts'
import { Database } from './database.ts'
import { Disk } from './disk.ts'
import { type Host, type HostName, hostNames, type Network } from './hosts.ts'
import { Program } from './program.ts'

const root = join(import.meta.dirname, '..', '..')
// Not the system's folder for temporary files: that may lie in memory, where nothing is durable.
const data = join(root, '.tools', 'data')
const node = [process.execPath, '--conditions=@verdict/source'] as const
const megabyte = 1024 * 1024
/** Disks that can be filled: room for all of a long run, and little enough to be full within a moment. */
const diskBytes = { n3: 128 * megabyte, 'bank-b': 320 * megabyte, vault: 128 * megabyte } as const
const askTimeoutMs = 500
const openingTimeoutMs = 30_000 // a machine that is busy with other things flushes slowly

export interface SystemOptions {
  readonly network: Network
  /** How many client processes, and what each does. */
  readonly clients: number
  readonly load: {
    readonly lanes: number
    readonly accounts: number
    readonly ownAccounts: boolean
    readonly keepEvery: number
    readonly paceMs: number
  }
  /** Whether banks have two instances, on different hosts. */
  readonly withSecondInstances: boolean
  readonly withAuditor: boolean
  readonly withSmallDisks: boolean
}

/** What a replica says of itself. */
export interface ReplicaStatus {
  readonly replica: string
  readonly role: string
  readonly term: number
  readonly unsettled: number
  readonly underway: number
  readonly hazardous: number
}

/** A whole system on three hosts: NATS servers, databases, replicas, participants with several instances, clients, an auditor. */
export class System implements AsyncDisposable {
  /** Logs, ledgers and data. */
  readonly folder: string
  readonly network: Network
  readonly nats: readonly Program[]
  readonly databases: readonly Database[]
  readonly replicas: readonly Program[]
  readonly participants: readonly Program[]
  readonly clients: readonly Program[]
  readonly auditors: readonly Program[]
  readonly disks: ReadonlyMap<string, Disk>
  /** Why no disk can be filled, if none can. */
  readonly diskHindrance: string | undefined
  readonly vaultFolder: string

  private constructor(
    folder: string,
    { network, clients, load, withSecondInstances, withAuditor }: SystemOptions,
    parts: {
      readonly natsPorts: Readonly<Record<HostName, readonly [client: number, route: number]>>
      readonly databases: readonly Database[]
      readonly disks: ReadonlyMap<string, Disk>
      readonly diskHindrance: string | undefined
    },
  ) {
    this.folder = folder
    this.network = network
    this.databases = parts.databases
    this.disks = parts.disks
    this.diskHindrance = parts.diskHindrance
    const { hosts } = network
    const natsUrls = (nearest: HostName): string[] =>
      [nearest, ...hostNames.filter((name) => name !== nearest)].map(
        (name) => `nats://${hosts[name].address}:${parts.natsPorts[name][0]}`,
      )
    const program = (
      name: string,
      at: HostName,
      command: readonly string[],
      ready: RegExp,
      environment: Readonly<Record<string, string>> = {},
    ): Program => new Program({ name, host: hosts[at], command, ready, environment, logFolder: folder })
    const script = (name: string, at: HostName, file: string, settings: object): Program =>
      program(name, at, [...node, join(import.meta.dirname, file)], /serving/, {
        SETTINGS: JSON.stringify({ name, natsUrls: natsUrls(at), ...settings }),
      })

    this.nats = hostNames.map((at) =>
      program(`nats-${at}`, at, natsCommand(hosts, at, parts.natsPorts), /Server is ready/),
    )
    this.replicas = hostNames.map((at, place) => {
      const name = `n${place + 1}`
      return program(name, at, [...node, join(root, 'services/coordinator/src/main.ts')], /^.*"msg":"serving".*$/, {
        VERDICT_REPLICA: name,
        VERDICT_GROUP_FILE: join(folder, 'group', 'manifest.json'),
        VERDICT_DATA_FOLDER: join(this.disks.get(name)?.folder ?? join(folder, 'group'), name),
        VERDICT_NATS_URL: natsUrls(at).join(','),
        VERDICT_HTTP_HOST: hosts[at].launcher.length === 0 ? '127.0.0.1' : '0.0.0.0',
        VERDICT_HTTP_PORT: '0',
      })
    })
    this.vaultFolder = join(this.disks.get('vault')?.folder ?? folder, 'vault')
    const bank = (name: BankName, number: number, at: HostName): Program => {
      const instance = `${name}-${number}`
      const database = this.databases.find((one) => one.name === name)
      return script(instance, at, 'bank-service.ts', {
        name,
        instance,
        accounts: load.accounts,
        witnessFile: join(folder, `${instance}.executions`),
        ...(database === undefined ? { dataFolder: this.vaultFolder } : { databaseUrl: database.url }),
      })
    }
    this.participants = [
      bank('bank-a', 1, 'a'),
      bank('bank-b', 1, 'b'),
      bank('vault', 1, 'c'),
      ...(withSecondInstances ? [bank('bank-a', 2, 'b'), bank('bank-b', 2, 'c')] : []),
    ]
    const ledgerFile = (name: string): string => join(folder, `${name}.jsonl`)
    this.clients = Array.from({ length: clients }, (_, place) => {
      const name = `client-${place}`
      return script(name, hostNames[place % hostNames.length] ?? 'a', 'client.ts', {
        ledgerFile: ledgerFile(name),
        ...load,
      })
    })
    this.auditors = withAuditor ? [script('auditor', 'c', 'auditor.ts', { ledgerFile: ledgerFile('auditor') })] : []
  }

  /** Starts everything, and returns when all serve. */
  static async start(options: SystemOptions): Promise<System> {
    mkdirSync(data, { recursive: true })
    const folder = mkdtempSync(join(data, 'chaos-'))
    const { hosts } = options.network
    const ports = async (): Promise<readonly [number, number]> => [await freePort(), await freePort()]
    const natsPorts = { a: await ports(), b: await ports(), c: await ports() }
    const { disks, diskHindrance } = mountDisks(options.withSmallDisks)
    const databases = await Promise.all([
      Database.start('bank-a', hosts.a, undefined),
      Database.start('bank-b', hosts.b, disks.get('bank-b')),
    ])
    const system = new System(folder, options, { natsPorts, databases, disks, diskHindrance })
    try {
      await system.#initialiseGroup()
      for (const database of databases) await database.query(openingScript(options.load.accounts), openingTimeoutMs)
      await startAll(system.nats)
      await startAll(system.replicas)
      await startAll(system.participants)
      await startAll([...system.clients, ...system.auditors])
      return system
    } catch (error) {
      await system[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Everything that is a program of ours or a server of NATS. */
  get programs(): readonly Program[] {
    return [...this.nats, ...this.replicas, ...this.participants, ...this.clients, ...this.auditors]
  }

  /** Where the clients and the auditor write down what they were told. */
  get ledgerFiles(): readonly string[] {
    return [...this.clients, ...this.auditors].map(({ name }) => join(this.folder, `${name}.jsonl`))
  }

  /** What each replica that answers says of itself. */
  async statuses(): Promise<readonly ReplicaStatus[]> {
    const answers = await Promise.all(this.replicas.map(statusOf))
    return answers.filter((answer) => answer !== undefined)
  }

  /** The replica that leads, by its own word, with its term. */
  async leader(): Promise<{ readonly program: Program; readonly status: ReplicaStatus } | undefined> {
    const [newest] = (await this.statuses()).filter(({ role }) => role === 'leader').toSorted((a, b) => b.term - a.term)
    const program = this.replicas.find(({ name }) => name === newest?.replica)
    return newest === undefined || program === undefined ? undefined : { program, status: newest }
  }

  /** Ends everything at once; what lies on its disks is removed, unless it is to be kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.programs.map((program) => program.end()))
    await Promise.all(this.databases.map((database) => database[Symbol.asyncDispose]()))
    for (const disk of this.disks.values()) disk[Symbol.dispose]()
  }

  /** Copies what lies on small disks beside the rest, to be looked into when they are gone. */
  keep(): void {
    for (const [name, disk] of this.disks) cpSync(disk.folder, join(this.folder, `disk-${name}`), { recursive: true })
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #initialiseGroup(): Promise<void> {
    const group = join(this.folder, 'group')
    const cli = join(root, 'packages', 'cli', 'src', 'main.ts')
    const args = ['group', 'init', '--name', 'main', '--replicas', 'n1,n2,n3', '--folder', group]
    await promisify(execFile)(process.execPath, [...node.slice(1), cli, ...args], { cwd: root })
    const small = this.disks.get('n3')
    if (small !== undefined) cpSync(join(group, 'n3'), join(small.folder, 'n3'), { recursive: true })
  }
}

async function startAll(programs: readonly Program[]): Promise<void> {
  await Promise.all(programs.map((program) => program.start()))
}

function natsCommand(
  hosts: Readonly<Record<HostName, Host>>,
  at: HostName,
  ports: Readonly<Record<HostName, readonly [client: number, route: number]>>,
): readonly string[] {
  const routes = hostNames
    .filter((name) => name !== at)
    .map((name) => `nats://${hosts[name].address}:${ports[name][1]}`)
  const [client, route] = ports[at]
  const own = ['-a', hosts[at].address, '-p', String(client), '--name', at, '--cluster_name', 'chaos']
  return [natsProgram(), ...own, '--cluster', `nats://${hosts[at].address}:${route}`, '--routes', routes.join(',')]
}

function mountDisks(wanted: boolean): {
  readonly disks: ReadonlyMap<string, Disk>
  readonly diskHindrance: string | undefined
} {
  const disks = new Map<string, Disk>()
  if (!wanted) return { disks, diskHindrance: 'no small disks were asked for' }
  for (const [name, bytes] of Object.entries(diskBytes)) {
    const disk = Disk.mount(bytes)
    if (typeof disk === 'string') return { disks, diskHindrance: disk }
    disks.set(name, disk)
  }
  return { disks, diskHindrance: undefined }
}

async function statusOf({ serves, ready, host }: Program): Promise<ReplicaStatus | undefined> {
  if (!serves || ready === undefined) return undefined
  try {
    const { address } = JSON.parse(ready[0]) as { readonly address: { readonly port: number } }
    const answer = await fetch(`http://${host.ourAddress}:${address.port}/status`, {
      signal: AbortSignal.timeout(askTimeoutMs),
    })
    return (await answer.json()) as ReplicaStatus
  } catch {
    return undefined
  }
}
