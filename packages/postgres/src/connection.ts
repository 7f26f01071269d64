import type { Attributes } from '@opentelemetry/api'
import { conventions } from '@verdict/protocol/telemetry'
import pg from 'pg'
import { type HistoryMark, historyMark } from './history.ts'
import { type Operation, StatementTracing } from './tracing.ts'

/** Where the database is. */
export interface ConnectionSettings {
  readonly connectionString: string | undefined
  readonly applicationName: string
  /** Settings of the server for each session, by name. */
  readonly sessionSettings: Readonly<Record<string, string>>
}

/** What a query gives, as `pg` gives it. */
export interface QueryResult<Row> {
  readonly rows: Row[]
  readonly rowCount: number | null
  /** First word of the command's tag. */
  readonly command: string
}

/** One statement. With a name the server keeps its plan for the connection. */
export interface Statement {
  readonly text: string
  readonly values?: readonly unknown[]
  readonly name?: string
}

const connectTimeoutMs = 5_000 // a server that takes longer is as good as down, and its caller can try again
const goodbyeTimeoutMs = 1_000 // an idle server answers at once
const keepAliveDelayMs = 10_000 // finds a peer that vanished while the connection idled

const greeting = `
  select (select count(set_config(key, value, false)) from jsonb_each_text($1::jsonb)), system_identifier::text as system,
    left(pg_walfile_name(pg_current_wal_lsn()), 8) as timeline, pg_backend_pid() as pid, current_user as role,
    current_setting('synchronous_commit') as "synchronousCommit",
    current_setting('default_transaction_isolation') in ('repeatable read', 'serializable') as "keepsSnapshot"
  from pg_control_system()`

interface Greeting {
  readonly system: string
  readonly timeline: string
  readonly pid: number
  readonly role: string
  readonly synchronousCommit: string
  readonly keepsSnapshot: boolean
}

const storeErrors = new WeakSet<object>()

/** Whether the database, or the way to it, threw this. */
export function isStoreError(error: unknown): error is Error {
  return typeof error === 'object' && error !== null && storeErrors.has(error)
}

function noteStoreError(error: unknown): never {
  if (typeof error === 'object' && error !== null) storeErrors.add(error)
  throw error
}

/** The SQLSTATE of an error that the server sent; undefined for any other, as for the end of a connection. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/**
 * One session of the server. Queries are sent at once, in order, without waiting for the answers of those before (pg's pipeline),
 * so several statements take one round trip. Each stands alone: one that fails does not keep the next from running.
 */
export class Connection {
  readonly history: HistoryMark
  /** Process id of the session at the server. */
  readonly pid: number
  readonly role: string
  readonly synchronousCommit: string
  readonly #client: pg.Client
  readonly #tracing: StatementTracing
  #lost = false
  #unconfirmed = false
  #running = 0
  #corked = false
  #keepsSnapshot: boolean

  private constructor(client: pg.Client, greeted: Greeting) {
    this.#client = client
    this.#tracing = new StatementTracing(attributesOf(client))
    this.history = historyMark(greeted.system, greeted.timeline)
    this.pid = greeted.pid
    this.role = greeted.role
    this.synchronousCommit = greeted.synchronousCommit
    this.#keepsSnapshot = greeted.keepsSnapshot
    client.on('error', () => {
      this.#lost = true
    })
    client.on('notice', ({ routine }) => {
      // Somebody cancelled the wait for a synchronous standby: the statement succeeds though only this server has it.
      if (routine === 'SyncRepWaitForLSN') this.#unconfirmed = true
    })
  }

  /** Connects, and reads the history of the server that was met. A standby is refused: it has none yet. */
  static async open({ connectionString, applicationName, sessionSettings }: ConnectionSettings): Promise<Connection> {
    const client = new pg.Client({
      ...(connectionString === undefined ? {} : { connectionString }),
      fallback_application_name: applicationName,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveDelayMs,
      pipeline: true,
    })
    client.on('error', () => undefined) // without a listener the end of the server would end this process
    const timer = setTimeout(() => client.connection.stream.destroy(), connectTimeoutMs)
    try {
      await client.connect()
      const { rows } = await client.query<Greeting>(greeting, [JSON.stringify(sessionSettings)])
      const [greeted] = rows
      if (!greeted) throw new Error('broken invariant: the greeting has one row')
      return new Connection(client, greeted)
    } catch (error) {
      client.connection.stream.destroy()
      return noteStoreError(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Whether the session has ended. */
  get lost(): boolean {
    return this.#lost
  }

  /** Whether a commit or prepare of this session may be missing on the synchronous standby. */
  get unconfirmed(): boolean {
    return this.#unconfirmed
  }

  /** Whether a transaction here may see the database as it was when it began (REPEATABLE READ and above), not as it is. */
  get keepsSnapshot(): boolean {
    return this.#keepsSnapshot
  }

  /** A statement may have changed that, for its transaction or for all that follow. */
  noteIsolation(): void {
    this.#keepsSnapshot = true
  }

  /** Whether the session is there and outside of any transaction. Only asked when nothing is running. */
  get idle(): boolean {
    return !this.#lost && this.#running === 0 && this.#client.getTransactionStatus() === 'I'
  }

  /** Statements without an answer. */
  get running(): number {
    return this.#running
  }

  /** Sends one statement, within a span when it is an `operation` of Verdict's. Errors are those of `pg`, and `isStoreError` knows them. */
  async query<Row extends object>(statement: Statement, operation?: Operation): Promise<QueryResult<Row>> {
    const { text, name, values } = statement
    const config = { text, ...(name === undefined ? {} : { name }), ...(values ? { values: [...values] } : {}) }
    this.#cork()
    // One statement a message, also without values: no second one hides behind a semicolon.
    const query = { ...config, queryMode: 'extended' } as pg.QueryConfig
    return this.#counted(this.#traced(operation, () => this.#client.query<Row>(query)))
  }

  /** Sends a command of ours, without parameters and in the fewest messages; gives its tag's first word. */
  async command(text: string, operation?: Operation): Promise<string> {
    this.#cork()
    return (await this.#counted(this.#traced(operation, () => this.#client.query(text)))).command
  }

  /** Sends several commands of ours as one message; the first that fails keeps the rest from running. */
  async script(commands: readonly string[]): Promise<void> {
    this.#cork()
    await this.#counted(this.#client.query(commands.join(';\n')))
  }

  /** Waits until the server has answered everything, an error before included; false when the session ended instead. */
  async settled(): Promise<boolean> {
    try {
      await this.#counted(this.#client.query('')) // an empty query is answered, and does nothing
      return true
    } catch {
      return false
    }
  }

  /** Ends the session at once. Statements that run fail; the server may still complete what it has read. */
  destroy(): void {
    this.#lost = true
    this.#client.connection.stream.destroy()
  }

  /** Ends the session. Unless a statement runs in it, its transaction and locks are gone when this resolves. */
  async end(): Promise<void> {
    if (this.#lost || this.#running > 0) return this.destroy()
    this.#lost = true
    const timer = setTimeout(() => this.#client.connection.stream.destroy(), goodbyeTimeoutMs)
    await this.#client.end()
    clearTimeout(timer)
  }

  /** What is sent in one turn leaves in one write: a write costs more than what most statements do. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    const { stream } = this.#client.connection
    stream.cork()
    process.nextTick(() => {
      this.#corked = false
      stream.uncork()
    })
  }

  #traced<T>(operation: Operation | undefined, send: () => Promise<T>): Promise<T> {
    return operation === undefined ? send() : this.#tracing.traced(operation, send)
  }

  async #counted<T>(answer: Promise<T>): Promise<T> {
    this.#running += 1
    try {
      return await answer
    } catch (error) {
      return noteStoreError(error)
    } finally {
      this.#running -= 1
    }
  }
}

function attributesOf({ host, port, database }: pg.Client): Attributes {
  return {
    [conventions.dbSystem]: 'postgresql',
    [conventions.serverAddress]: host,
    [conventions.serverPort]: port,
    ...(database === undefined ? {} : { [conventions.dbNamespace]: database }),
  }
}
