import type { LockMode } from '@verdict/lmdb/internal'
import type { Epoch, GroupId, ParticipantName, TransactionId } from '@verdict/protocol'
import type { Clock, Random } from '@verdict/runtime'
import { Backend } from './backend.ts'
import { Connection } from './connection.ts'
import { type DatabaseFaults, draw, noFaults } from './faults.ts'
import { WriteAheadLog } from './log.ts'
import { Server } from './server.ts'
import { ConnectionLostError } from './sql-error.ts'
import type {
  BranchName,
  CommittedEffect,
  JournalRow,
  LogRecord,
  PreparedTransaction,
  SimulatedValue,
} from './tables.ts'

export interface SimulatedDatabaseOptions {
  /** Of the world, not of a process: the database has no process of its own. */
  readonly clock: Clock
  readonly random: Random
  /** Those that are not named do not happen. */
  readonly faults?: Partial<DatabaseFaults>
  /** Prepared transactions that the server has room for. Default 1000. */
  readonly maxPrepared?: number
  /** What the tables hold before the first transaction. */
  readonly values?: Readonly<Record<string, SimulatedValue>>
}

/** How much a failover loses: the newest records, or all from the newest of one kind on. */
export type Loss =
  | { readonly kind: 'newest'; readonly records: number }
  | { readonly kind: 'from-last'; readonly record: LogRecord['kind'] }

/** A lock that is held, as tests look at it: `branch` is there when the holder is prepared. */
export interface SimulatedLock {
  readonly key: string
  readonly mode: LockMode
  readonly instance: string
  readonly branch?: BranchName
}

const defaultMaxPrepared = 1000 // ten times what a simulation has open at a time

/**
 * A database that behaves as PostgreSQL does when things go wrong: rows of prepared transactions cannot be seen, statements
 * happen though their answers are lost, sessions of dead instances live on for a while, and a failover may go back in time.
 * One for all instances of a participant; it lives on virtual time and one seed.
 */
export class SimulatedDatabase {
  readonly #clock: Clock
  readonly #random: Random
  readonly #maxPrepared: number
  readonly #log: WriteAheadLog
  readonly #connections = new Map<Connection, string>()
  #server: Server
  #history = 1
  #faults: DatabaseFaults

  constructor(options: SimulatedDatabaseOptions) {
    this.#clock = options.clock
    this.#random = options.random
    this.#maxPrepared = options.maxPrepared ?? defaultMaxPrepared
    this.#faults = { ...noFaults, ...options.faults }
    const first: LogRecord = { kind: 'commit', writes: new Map(Object.entries(options.values ?? {})) }
    this.#log = new WriteAheadLog(first, options.clock, () => draw(this.#random, this.#faults.flushMs))
    this.#server = this.#start()
  }

  /** Changes the named faults from now on. */
  setFaults(faults: Partial<DatabaseFaults>): void {
    this.#faults = { ...this.#faults, ...faults }
  }

  /**
   * Opens a connection for an instance.
   * @throws ConnectionLostError when the server is down, or refuses by chance.
   */
  async connect(instance: string, instanceClock: Clock): Promise<Connection> {
    const latencyMs = draw(this.#random, this.#faults.latencyMs)
    if (latencyMs > 0) await new Promise<void>((resolve) => instanceClock.after(latencyMs, resolve))
    if (!this.#server.isUp || this.#draws(this.#faults.refuseConnection)) throw new ConnectionLostError()
    const connection: Connection = new Connection({
      clock: this.#clock,
      instanceClock,
      random: this.#random,
      faults: () => this.#faults,
      backend: new Backend(this.#server, instance, () => this.#draws(this.#faults.failStatement)),
      onEnd: () => this.#connections.delete(connection),
    })
    this.#connections.set(connection, instance)
    return connection
  }

  /** The process of an instance is gone: its connections break, what it had open is rolled back after a while. */
  disconnect(instance: string): void {
    for (const [connection, owner] of this.#connections) if (owner === instance) connection.break()
  }

  /** The server dies. Of what was not flushed, a part survives by chance. */
  crash(): void {
    this.#server.die()
    this.#log.crash(this.#random.fraction())
    for (const connection of this.#connections.keys()) connection.break()
    this.#connections.clear()
  }

  /** Starts the server again after a crash: prepared transactions are there, with their locks. */
  restart(): void {
    if (!this.#server.isUp) this.#server = this.#start()
  }

  /**
   * A standby that lags behind takes over: the newest records are lost, acknowledged or not, and the history changes.
   * Returns what was lost.
   */
  failover(loss: Loss): readonly LogRecord[] {
    this.crash()
    const lost = this.#log.cut(this.#lengthAfter(loss))
    this.#history += 1
    this.restart()
    return lost
  }

  /** An operator ends a prepared branch by hand. False when none of this id is there. */
  async endByHand(participant: ParticipantName, id: TransactionId, ending: 'commit' | 'rollback'): Promise<boolean> {
    const found = this.prepared().find(({ name }) => name.participant === participant && name.id === id)
    if (found) await this.#server.end(found.name, `${ending}-prepared`)
    return found !== undefined
  }

  /** A committed value. */
  value(key: string): SimulatedValue | undefined {
    return this.#server.tables.values.get(key)
  }

  /** All committed values. */
  values(): ReadonlyMap<string, SimulatedValue> {
    return this.#server.tables.values
  }

  /** Effects that were made final and are still there, in their order; a branch applied twice would be in it twice. */
  effects(): readonly CommittedEffect[] {
    return this.#server.tables.effects
  }

  /** All rows of the journal. */
  rows(): readonly JournalRow[] {
    return [...this.#server.tables.rows.values()]
  }

  /** The floors of a participant. */
  floors(participant: ParticipantName): ReadonlyMap<GroupId, Epoch> {
    return this.#server.tables.floors(participant)
  }

  /** All prepared branches. */
  prepared(): readonly PreparedTransaction[] {
    return [...this.#server.tables.prepared.values()]
  }

  /** All locks that are held; keys are `data <key>` and `journal <participant>_<id>`. */
  locks(): readonly SimulatedLock[] {
    return this.#server.locks.held().map(({ key, mode, owner }) => {
      const branch = this.#server.nameOf(owner)
      return { key, mode, instance: owner.instance, ...(branch && { branch }) }
    })
  }

  #start(): Server {
    return new Server(this.#log, { clock: this.#clock, history: this.#history, maxPrepared: this.#maxPrepared })
  }

  #draws(probability: number): boolean {
    return probability > 0 && this.#random.fraction() < probability
  }

  #lengthAfter(loss: Loss): number {
    const { records } = this.#log
    if (loss.kind === 'newest') return Math.max(1, records.length - loss.records)
    const last = records.findLastIndex(({ kind }) => kind === loss.record)
    return last < 1 ? records.length : last
  }
}
