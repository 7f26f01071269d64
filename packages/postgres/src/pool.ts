import { Connection, type ConnectionSettings } from './connection.ts'

/**
 * Connections for one purpose, at most `limit` of them, made when they are needed and kept. Those for phase two are never those
 * of open branches: these may all wait for locks that only phase two lets go (rule R14).
 */
export class Pool {
  readonly #settings: ConnectionSettings
  readonly #limit: number
  readonly #all = new Set<Connection>()
  readonly #idle: Connection[] = []
  readonly #waiting: (() => void)[] = []
  #leased = 0
  #stopped = false

  constructor(settings: ConnectionSettings, limit: number) {
    this.#settings = settings
    this.#limit = limit
  }

  /** Whether one can be had without waiting for another user. */
  get hasRoom(): boolean {
    return this.#leased < this.#limit
  }

  /** Leases a connection; waits in order while all are leased. @throws what connecting throws */
  async acquire(): Promise<Connection> {
    if (this.hasRoom) this.#leased += 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve)) // the lease itself is handed over
    try {
      return this.#takeIdle() ?? (await this.#connect())
    } catch (error) {
      this.#endLease()
      throw error
    }
  }

  /** Gives a connection back. One that is not idle is not kept: its next user would be inside another's transaction. */
  release(connection: Connection): void {
    if (connection.idle && !connection.unconfirmed && !this.#stopped) this.#idle.push(connection)
    else this.#drop(connection)
    this.#endLease()
  }

  /**
   * Leases a connection for `work`. One that gives no answer for `timeoutMs` is destroyed, which fails what `work` waits for: a
   * host that vanished would otherwise keep it for as long as TCP tries.
   */
  async use<T>(timeoutMs: number, work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.acquire()
    const timer = setTimeout(() => connection.destroy(), timeoutMs)
    try {
      return await work(connection)
    } finally {
      clearTimeout(timer)
      this.release(connection)
    }
  }

  /** Ends all connections, leased ones too: what runs on them fails. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#idle.length = 0
    const all = [...this.#all]
    this.#all.clear()
    await Promise.all(all.map((connection) => connection.end()))
  }

  #takeIdle(): Connection | undefined {
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
      if (connection.idle) return connection
      this.#drop(connection) // the server ended it meanwhile
    }
    return undefined
  }

  async #connect(): Promise<Connection> {
    const connection = await Connection.open(this.#settings)
    this.#all.add(connection)
    if (this.#stopped) this.#drop(connection) // its user finds it lost
    return connection
  }

  #drop(connection: Connection): void {
    this.#all.delete(connection)
    connection.destroy()
  }

  #endLease(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#leased -= 1
  }
}
