import { LockTable } from '@verdict/lmdb/internal'
import type { Epoch, GroupId, ParticipantName, TransactionId } from '@verdict/protocol'
import type { Clock } from '@verdict/runtime'
import type { WriteAheadLog } from './log.ts'
import { SimulatedSqlError, sqlStates } from './sql-error.ts'
import {
  type BranchName,
  type JournalRow,
  type LogRecord,
  nameKey,
  type PreparedTransaction,
  rowKey,
  type SimulatedValue,
  Tables,
} from './tables.ts'

/** A transaction that holds locks: a local one, or one that was prepared and has no session any more. */
export interface Transaction {
  /** Whose session it is, or was before the transaction was prepared. */
  readonly instance: string
  /** The transaction whose branch it is, for those who wait for its locks. */
  readonly id?: TransactionId | undefined
  readonly writes: Map<string, SimulatedValue>
  row?: JournalRow
  /** A statement failed: nothing but the end is possible. */
  failed: boolean
}

interface PreparedEntry {
  readonly prepared: PreparedTransaction
  readonly transaction: Transaction
  /** Somebody is ending it at this moment. */
  busy: boolean
}

export interface ServerOptions {
  readonly clock: Clock
  /** Counts the failovers: the part of the history that a failover changes. */
  readonly history: number
  /** Prepared transactions that the server has room for. */
  readonly maxPrepared: number
}

/**
 * The database between two crashes: what its log amounts to, with the locks that prepared transactions still hold. A promise
 * of a server that died never settles.
 */
export class Server {
  readonly tables: Tables = new Tables()
  readonly locks: LockTable<Transaction>
  readonly history: number
  readonly #log: WriteAheadLog
  readonly #clock: Clock
  readonly #maxPrepared: number
  readonly #prepared = new Map<string, PreparedEntry>()
  #isUp = true

  constructor(log: WriteAheadLog, options: ServerOptions) {
    this.#log = log
    this.#clock = options.clock
    this.#maxPrepared = options.maxPrepared
    this.history = options.history
    this.locks = new LockTable(options.clock)
    for (const record of log.records) this.tables.apply(record)
    for (const prepared of this.tables.prepared.values()) this.#restore(prepared)
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Nothing that was begun goes on, and nothing more is written. */
  die(): void {
    this.#isUp = false
  }

  /** Resolves when all that has happened so far is durable. */
  flush(): Promise<void> {
    return this.#log.flush()
  }

  /** PREPARE TRANSACTION. Others see the name at once, which is earlier than it is durable. */
  async prepare(
    transaction: Transaction,
    name: BranchName,
    note: Pick<PreparedTransaction, 'trace'>,
  ): Promise<'prepared' | 'rolled-back'> {
    if (transaction.failed) {
      this.locks.release(transaction)
      return 'rolled-back'
    }
    const { row, writes } = transaction
    if (!row) throw new Error('broken invariant: a branch is prepared without its row')
    if (this.#prepared.size >= this.#maxPrepared) {
      this.locks.release(transaction)
      throw new SimulatedSqlError(sqlStates.tooManyPrepared, 'maximum number of prepared transactions reached')
    }
    const locks = this.locks.heldBy(transaction)
    const prepared = { name, row, writes, locks, history: this.history, preparedAtMs: this.#clock.nowMs(), ...note }
    const record: LogRecord = { kind: 'prepare', prepared }
    this.#append(record)
    this.tables.apply(record)
    this.#prepared.set(nameKey(name), { prepared, transaction, busy: false })
    await this.#log.flush()
    return 'prepared'
  }

  /** COMMIT PREPARED or ROLLBACK PREPARED. Others see the end once it is durable. */
  async end(name: BranchName, kind: 'commit-prepared' | 'rollback-prepared'): Promise<void> {
    const entry = this.#prepared.get(nameKey(name))
    if (!entry) throw new SimulatedSqlError(sqlStates.undefinedPrepared, `${nameKey(name)} does not exist`)
    if (entry.busy) throw new SimulatedSqlError(sqlStates.preparedBusy, `${nameKey(name)} is busy`)
    entry.busy = true
    await this.#appendAndApply({ kind, name })
    this.#prepared.delete(nameKey(name))
    this.locks.release(entry.transaction)
  }

  /** COMMIT of a local transaction. Others see it once it is durable. */
  async commit(transaction: Transaction): Promise<'committed' | 'rolled-back'> {
    const { writes, row, failed } = transaction
    if (!failed && (writes.size > 0 || row)) await this.#appendAndApply({ kind: 'commit', writes, ...(row && { row }) })
    this.locks.release(transaction)
    return failed ? 'rolled-back' : 'committed'
  }

  /** Raises the floor of a group; false when it is there already. */
  async raiseFloor(participant: ParticipantName, group: GroupId, epoch: Epoch): Promise<boolean> {
    if ((this.tables.floor(participant, group) ?? 0) >= epoch) {
      await this.flush()
      return false
    }
    await this.#appendAndApply({ kind: 'floor', participant, group, epoch })
    return true
  }

  async deleteRows(rows: readonly JournalRow[]): Promise<void> {
    const there = rows.filter((row) => this.hasRow(row))
    if (there.length > 0) await this.#appendAndApply({ kind: 'delete', rows: there })
  }

  /** Those prepared for at least `minAgeMs`, in the order of their preparation. */
  listPrepared(minAgeMs: number): readonly PreparedTransaction[] {
    const latestMs = this.#clock.nowMs() - minAgeMs
    return [...this.tables.prepared.values()].filter(({ preparedAtMs }) => preparedAtMs <= latestMs)
  }

  hasRow(row: JournalRow): boolean {
    return this.tables.rows.has(rowKey(row.participant, row.id))
  }

  /** The name of a prepared transaction, for one that holds locks. */
  nameOf(transaction: Transaction): BranchName | undefined {
    for (const entry of this.#prepared.values()) if (entry.transaction === transaction) return entry.prepared.name
    return undefined
  }

  async #appendAndApply(record: LogRecord): Promise<void> {
    this.#append(record)
    await this.#log.flush()
    this.tables.apply(record)
  }

  #append(record: LogRecord): void {
    if (!this.#isUp) throw new Error('broken invariant: a dead server writes to the log')
    this.#log.append(record)
  }

  #restore(prepared: PreparedTransaction): void {
    const { id } = prepared.name
    const transaction = { instance: 'recovery', id, writes: new Map(prepared.writes), row: prepared.row, failed: false }
    this.#prepared.set(nameKey(prepared.name), { prepared, transaction, busy: false })
    for (const [key, mode] of prepared.locks) this.locks.restore(transaction, key, mode)
  }
}
