import { LockTimeoutError } from '@verdict/lmdb/internal'
import type { Collected } from '@verdict/participant'
import type { Epoch, GroupId, ParticipantName, TransactionId } from '@verdict/protocol'
import { collectedOf, isLogged, passing } from './floor.ts'
import type { Server, Transaction } from './server.ts'
import { SimulatedSqlError, sqlStates } from './sql-error.ts'
import { type BranchName, type JournalRow, type PreparedTransaction, rowKey, type SimulatedValue } from './tables.ts'

/** One session at the server: statements run one after another, at most one local transaction at a time. */
export class Backend {
  readonly #server: Server
  readonly #instance: string
  readonly #fails: () => boolean
  #transaction: Transaction | undefined
  #lockTimeoutMs = 0
  #readOnly = false
  #tail: Promise<unknown> = Promise.resolve()

  /** `fails` draws whether a statement meets a serialization failure. */
  constructor(server: Server, instance: string, fails: () => boolean) {
    this.#server = server
    this.#instance = instance
    this.#fails = fails
  }

  /** Runs a statement after those before it. A server that died runs none, and never answers. */
  run<T>(statement: (backend: Backend) => Promise<T> | T): Promise<T> {
    const result = this.#tail.then(() => (this.#server.isUp ? statement(this) : new Promise<never>(() => {})))
    this.#tail = result.catch(() => {})
    return result
  }

  begin(lockTimeoutMs: number, readOnly = false, id?: TransactionId): void {
    this.#readOnly = readOnly
    this.#transaction = { instance: this.#instance, id, writes: new Map(), failed: false }
    this.#lockTimeoutMs = lockTimeoutMs
  }

  /** Reads under a shared lock, as `select … for share` does. */
  get(key: string): Promise<SimulatedValue | undefined> {
    return this.#statement(async (transaction) => {
      await this.#lock(transaction, dataKey(key), 'shared')
      return transaction.writes.get(key) ?? this.#server.tables.values.get(key)
    })
  }

  put(key: string, value: SimulatedValue): Promise<void> {
    return this.#statement(async (transaction) => {
      this.#checkWritable()
      await this.#lock(transaction, dataKey(key), 'exclusive')
      transaction.writes.set(key, value)
    })
  }

  /** Adds to a number (0 when there is none) and returns the sum; fails like a check constraint when that is below `min`. */
  add(key: string, delta: number, min: number): Promise<number> {
    return this.#statement(async (transaction) => {
      this.#checkWritable()
      await this.#lock(transaction, dataKey(key), 'exclusive')
      const before = transaction.writes.get(key) ?? this.#server.tables.values.get(key) ?? 0
      if (typeof before !== 'number') throw new TypeError(`${key} holds a text: only numbers can be added to`)
      const sum = before + delta
      if (sum < min)
        throw new SimulatedSqlError(sqlStates.checkViolation, `${key} would be ${sum}, at least ${min} is allowed`)
      transaction.writes.set(key, sum)
      return sum
    })
  }

  /** Whether the local transaction has written anything so far. */
  hasWritten(): boolean {
    return (this.#transaction?.writes.size ?? 0) > 0
  }

  /** Inserts into the journal. Its unique key waits for whoever is about to insert the same, prepared transactions included. */
  insertRow(row: JournalRow, lockTimeoutMs: number): Promise<void> {
    return this.#statement(async (transaction) => {
      this.#lockTimeoutMs = lockTimeoutMs
      await this.#lock(transaction, journalKey(row.participant, row.id), 'exclusive')
      if (this.#server.hasRow(row))
        throw new SimulatedSqlError(sqlStates.uniqueViolation, `${row.id} has a row already`)
      transaction.row = row
    })
  }

  async prepare(name: BranchName, note: Pick<PreparedTransaction, 'trace'>): Promise<'prepared' | 'rolled-back'> {
    const transaction = this.#current()
    this.#transaction = undefined
    return this.#server.prepare(transaction, name, note)
  }

  async commit(): Promise<'committed' | 'rolled-back'> {
    const transaction = this.#current()
    this.#transaction = undefined
    return this.#server.commit(transaction)
  }

  /** Harmless when there is no local transaction. */
  rollback(): void {
    if (this.#transaction) this.#server.locks.release(this.#transaction)
    this.#transaction = undefined
  }

  endPrepared(name: BranchName, kind: 'commit-prepared' | 'rollback-prepared'): Promise<void> {
    return this.#server.end(name, kind)
  }

  /** Oldest first. */
  listPrepared(participant: ParticipantName, minAgeMs = 0): readonly PreparedTransaction[] {
    return this.#server.listPrepared(minAgeMs).filter(({ name }) => name.participant === participant)
  }

  readRow(participant: ParticipantName, id: TransactionId): JournalRow | undefined {
    return this.#server.tables.rows.get(rowKey(participant, id))
  }

  /** Whether an id is at or below the floor, as it is now: as a statement of its own reads it, at READ COMMITTED. */
  isExpired(participant: ParticipantName, id: TransactionId): boolean {
    return this.#server.tables.isExpired(participant, id)
  }

  floors(participant: ParticipantName): ReadonlyMap<GroupId, Epoch> {
    return this.#server.tables.floors(participant)
  }

  raiseFloor(participant: ParticipantName, group: GroupId, epoch: Epoch): Promise<boolean> {
    return this.#server.raiseFloor(participant, group, epoch)
  }

  async collect(
    participant: ParticipantName,
    group: GroupId,
    limit: number,
    after: TransactionId | undefined,
  ): Promise<Collected> {
    const passed = passing(this.#server.tables, participant, group, after).slice(0, limit)
    const collected = collectedOf(passed, limit)
    await this.#server.deleteRows(passed.filter(({ id }) => !collected.logged.some((row) => row.id === id)))
    return collected
  }

  /** Deletes committed rows of logged transactions, as far as they are at or below the floor. */
  forget(participant: ParticipantName, ids: readonly TransactionId[]): Promise<void> {
    const rows = ids.flatMap((id) => this.readRow(participant, id) ?? [])
    return this.#server.deleteRows(rows.filter((row) => isLogged(row) && this.isExpired(participant, row.id)))
  }

  history(): number {
    return this.#server.history
  }

  /** A synchronous commit of one's own: what was seen before is durable after it. */
  flush(): Promise<void> {
    return this.#server.flush()
  }

  #current(): Transaction {
    if (!this.#transaction) throw new Error('broken invariant: a statement outside a local transaction')
    return this.#transaction
  }

  #checkWritable(): void {
    if (this.#readOnly)
      throw new SimulatedSqlError(sqlStates.readOnlyTransaction, 'cannot write in a read-only transaction')
  }

  async #statement<T>(run: (transaction: Transaction) => Promise<T>): Promise<T> {
    const transaction = this.#current()
    if (transaction.failed)
      throw new SimulatedSqlError(sqlStates.failedTransaction, 'the transaction has failed before')
    try {
      if (this.#fails()) throw new SimulatedSqlError(sqlStates.serializationFailure, 'could not serialize access')
      return await run(transaction)
    } catch (error) {
      transaction.failed = true
      throw error
    }
  }

  async #lock(transaction: Transaction, key: string, mode: 'shared' | 'exclusive'): Promise<void> {
    try {
      await this.#server.locks.acquire(transaction, key, mode, this.#lockTimeoutMs)
    } catch (cause) {
      const heldBy = cause instanceof LockTimeoutError ? cause.heldBy : []
      throw new SimulatedSqlError(sqlStates.lockNotAvailable, String(cause), heldBy)
    }
  }
}

function dataKey(key: string): string {
  return `data ${key}`
}

function journalKey(participant: ParticipantName, id: TransactionId): string {
  return `journal ${rowKey(participant, id)}`
}
