import { readdirSync, readFileSync } from 'node:fs'
import pg from 'pg'
import { type PostgresServer, startPostgres } from '../../infra/postgres.ts'
import type { Disk } from './disk.ts'
import type { Host } from './hosts.ts'

const restartPauseMs = 500
const patientLooks = 40 // half a minute: recovery takes a second, on a busy machine ten
const askTimeoutMs = 1_500

/** A PostgreSQL server on a host, perhaps on a small disk. */
export class Database implements AsyncDisposable {
  readonly name: string
  readonly host: Host
  readonly disk: Disk | undefined
  readonly #server: PostgresServer
  #stopped: readonly number[] = []

  private constructor(name: string, host: Host, disk: Disk | undefined, server: PostgresServer) {
    this.name = name
    this.host = host
    this.disk = disk
    this.#server = server
  }

  static async start(name: string, host: Host, disk: Disk | undefined): Promise<Database> {
    const server = await startPostgres({
      ...(disk === undefined ? {} : { folder: disk.folder }),
      ...(host.launcher.length === 0 ? {} : { launcher: host.launcher, openTo: '10.0.0.0/8' }),
      settings: { max_wal_size: '64MB', min_wal_size: '32MB' }, // so that a small disk has room for it, and not for ever
    })
    return new Database(name, host, disk, server)
  }

  /** For whoever runs on a host. */
  get url(): string {
    return this.#urlAt(this.host.address)
  }

  /** For us. */
  get ourUrl(): string {
    return this.#urlAt(this.host.ourAddress)
  }

  /** Crashes it, without a flush. */
  async kill(): Promise<void> {
    await this.#server.kill()
  }

  /** Starts it again, as often as it takes; harmless while it runs. */
  async start(): Promise<void> {
    for (let looks = 1; !(await this.answers()); looks += 1) {
      // A server whose recovery met a full disk was seen to stay as it was for ever: neither up nor ended.
      if (looks % patientLooks === 0) await this.#server.kill()
      try {
        if (this.#server.pid === undefined) await this.#server.restart()
      } catch {
        // It cannot start yet, as on a disk that is full.
      }
      await new Promise((resolve) => setTimeout(resolve, restartPauseMs))
    }
  }

  /** Lets all of its processes stand still. Linux only. */
  pause(): void {
    const { pid } = this.#server
    if (pid === undefined) return
    process.kill(pid, 'SIGSTOP') // first, so that it starts no others
    this.#stopped = [...childrenOf(pid), pid]
    for (const child of this.#stopped) signal(child, 'SIGSTOP')
  }

  resume(): void {
    for (const pid of this.#stopped) signal(pid, 'SIGCONT')
    this.#stopped = []
  }

  async answers(): Promise<boolean> {
    return (await this.ask('select 1')) === undefined
  }

  /** Runs a statement; returns what went wrong, if anything. */
  async ask(text: string): Promise<string | undefined> {
    try {
      await this.query(text)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  async query(text: string, timeoutMs: number = askTimeoutMs): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = new pg.Client({
      connectionString: this.ourUrl,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return (await client.query(text)).rows
    } finally {
      client.end().catch(() => undefined)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop()
  }

  #urlAt(address: string): string {
    return `postgres://postgres@${address}:${this.#server.port}/postgres`
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && parentOf(pid) === parent)
}

function parentOf(pid: number): number | undefined {
  try {
    const [, parent] = /^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? []
    return Number(parent)
  } catch {
    return undefined // it ended meanwhile
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended meanwhile.
  }
}
