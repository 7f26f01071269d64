import type { BranchNote, CommitNote, CommitResult, OpenBranch, PrepareResult } from '@verdict/participant'
import { type ParticipantName, type Reason, reasonCodes, type TransactionId } from '@verdict/protocol'
import pg from 'pg'
import { type Connection, isStoreError, sqlState } from './connection.ts'
import { makeGid } from './gid.ts'
import { beginBranch, type RowKind, rowOf } from './journal.ts'
import { LockWatch, type LockWitness } from './lock-watch.ts'
import { reason, reasonOf, sqlStates } from './reason.ts'
import { BranchSession, type Sql } from './session.ts'
import { operations } from './tracing.ts'

/** How long the row of a branch waits for another one of the same id: some flushes. Whoever holds it longer is prepared. */
export const rowTimeoutMs = 100

const endTimeoutMs = 30_000 // a server, or its synchronous standby, that takes longer is asked again by recovery

/** What a branch asks of the resource that opened it. */
export interface BranchHome extends LockWitness {
  readonly participant: ParticipantName
  readonly lockTimeoutMs: number
  /** Whether the server is to refuse writes. */
  readonly readOnly: boolean
  /** Whether a branch of this id is in the list of prepared transactions. */
  isPrepared(id: TransactionId): Promise<boolean>
  /** Whether the id is at or below the floor, read outside of the branch's own snapshot. @throws what the database throws */
  isExpired(id: TransactionId): Promise<boolean>
  /** Ends a session at the server while a statement runs in it. */
  terminate(connection: Connection): Promise<void>
  /** Takes the connection back, once. */
  release(connection: Connection): void
}

/** How a branch may end: as was wanted (`K`), or otherwise. */
type Ended<K extends string> =
  | { readonly kind: K | 'read-only' | 'exists' | 'busy' | 'expired' }
  | { readonly kind: 'refused'; readonly reason: Reason }

/** A local transaction whose operations are running, and its end. */
export class PostgresBranch implements OpenBranch<{ readonly sql: Sql }> {
  readonly session: { readonly sql: Sql }
  readonly #sql: BranchSession
  readonly #connection: Connection
  readonly #home: BranchHome
  #ending: Promise<unknown> | undefined

  /** Begins without waiting: BEGIN travels with the first statement. If it fails, that one cannot write (see `Connection`). */
  constructor(connection: Connection, home: BranchHome) {
    this.#connection = connection
    this.#home = home
    void attempt(connection.script(beginBranch(connection, home)))
    this.#sql = new BranchSession(connection, new LockWatch(connection, home, home.lockTimeoutMs))
    this.session = { sql: this.#sql }
  }

  async prepare(note: BranchNote): Promise<PrepareResult> {
    const { connection, home } = { connection: this.#connection, home: this.#home }
    return this.#endOnce(async () => {
      const gid = makeGid(home.participant, { ...note, history: connection.history })
      const prepare = (): Promise<string> => connection.command(`prepare transaction '${gid}'`, operations.prepare)
      const { wrote } = this.#sql
      const ended = wrote || note.serializable ? undefined : await this.#endUnlessWritten()
      // The row alone will do for a branch that keeps its locks though it may only have read.
      const kind: RowKind = { mode: 'logged', writes: wrote || !note.serializable }
      return ended ?? (await this.#write(note, kind, prepare, 'prepared'))
    })
  }

  async commit(note: CommitNote): Promise<CommitResult> {
    return this.#endOnce(async () => {
      const { wrote } = this.#sql
      const commit = (): Promise<string> => this.#connection.command('commit', operations.commit)
      const ended = wrote || note.rowAlways ? undefined : await this.#endUnlessWritten()
      // A row that is kept in any case may be all that is written. What a statement says to have written has to be there.
      const kind: RowKind = { mode: 'lone', writes: wrote || !note.rowAlways }
      return ended ?? (await this.#write(note, kind, commit, 'committed'))
    })
  }

  async rollback(): Promise<void> {
    await (this.#ending ??
      this.#end(async () => {
        if (this.#sql.running > 0) await this.#home.terminate(this.#connection)
        else await this.#run('rollback')
      }))
  }

  #endOnce<K extends string>(work: () => Promise<Ended<K>>): Promise<Ended<K>> {
    if (this.#ending) throw new Error('broken invariant: a branch ends once')
    return this.#end(async () => (this.#connection.lost ? refused(lostBefore) : work()))
  }

  /** Takes no more statements, ends the branch by `work`, and gives the connection back. */
  #end<T>(work: () => Promise<T>): Promise<T> {
    this.#sql.end()
    const timer = setTimeout(() => this.#connection.destroy(), endTimeoutMs)
    const ending = work().finally(() => {
      clearTimeout(timer)
      this.#home.release(this.#connection)
    })
    this.#ending = ending
    return ending
  }

  /** Ends the transaction if nothing was written in it; undefined when something was. */
  async #endUnlessWritten(): Promise<Ended<'read-only'> | undefined> {
    const asked = await attempt(this.#connection.query<Asked>({ name: 'verdict_asked', text: asking }, operations.ask))
    if (asked instanceof Error) {
      await this.#run('rollback')
      return refused(reasonOf(this.#sql.failure ?? asked))
    }
    const [found] = asked.rows
    if (!found) throw new Error('broken invariant: the question whether anything was written has one row')
    if (found.intact && found.written) return undefined
    if (!found.intact) {
      await this.#run('rollback')
      return refused(endedBehindOurBack)
    }
    // What a serializable transaction has read is only good once it committed. Any other is rolled back, which also holds back
    // notifications that it may have queued.
    const end = await this.#run(found.isolation === 'serializable' ? 'commit' : 'rollback')
    return end instanceof Error ? refused(reasonOf(end)) : { kind: 'read-only' }
  }

  /**
   * Writes the row and ends the transaction by `end`, in one round trip: after a row that failed, PREPARE and COMMIT only roll back and
   * say so.
   */
  async #write<K extends string>(
    note: BranchNote,
    kind: RowKind,
    end: () => Promise<string>,
    success: K,
  ): Promise<Ended<K>> {
    const { participant, lockTimeoutMs } = this.#home
    const written = rowOf(participant, note, this.#connection, { kind, rowTimeoutMs, lockTimeoutMs })
    const inserting = attempt(this.#connection.query(written, operations.insertRow))
    const expired = this.#connection.keepsSnapshot ? await this.#endIfExpired(inserting, note.id) : undefined
    if (expired !== undefined) return expired
    const [row, ended] = await Promise.all([inserting, attempt(end())])
    if (ended === 'PREPARE' || ended === 'COMMIT') {
      return { kind: row instanceof Error || this.#connection.unconfirmed ? 'busy' : success }
    }
    // An error that ends the session (FATAL, PANIC) leaves open what was done before it; any other one has rolled back.
    if (ended instanceof Error && !(await this.#connection.settled())) return { kind: 'busy' }
    if (row instanceof Error) return this.#afterRow(row, note.id)
    return refused(ended instanceof Error ? reasonOf(ended) : endedBehindOurBack)
  }

  /**
   * Ends the transaction if the floor forbids the row. The branch's own snapshot may be older than its row and than the floor that let
   * a row of before it be deleted; what another session reads, once this row is written, is not (rule R12).
   */
  async #endIfExpired(inserting: Promise<unknown>, id: TransactionId): Promise<Ended<never> | undefined> {
    if ((await inserting) instanceof Error) return undefined
    const expired = await attempt(this.#home.isExpired(id))
    if (expired === false) return undefined
    await this.#run('rollback')
    return expired === true ? { kind: 'expired' } : refused(reasonOf(expired))
  }

  /** What the failure of the row means. The transaction was rolled back. */
  async #afterRow(error: Error, id: TransactionId): Promise<Ended<never>> {
    switch (sqlState(error)) {
      case sqlStates.uniqueViolation:
        return { kind: 'exists' }
      case sqlStates.belowFloor:
        return { kind: 'expired' }
      case sqlStates.floorUnread:
        this.#connection.destroy() // its isolation is not the one that it began with; a new one says so
        return refused(isolationChanged)
      case sqlStates.lockNotAvailable:
      case sqlStates.deadlockDetected: // with the other opening of the id, which lives on
        return { kind: (await this.#home.isPrepared(id)) ? 'exists' : 'busy' }
      case sqlStates.notNullViolation:
        return refused(
          error instanceof pg.DatabaseError && error.column === 'xid' ? writtenElsewhere : endedBehindOurBack,
        )
      case sqlStates.readOnlyTransaction:
        return refused(endedBehindOurBack)
      case sqlStates.failedTransaction:
        return refused(reasonOf(this.#sql.failure ?? error))
      default:
        this.#connection.destroy() // its state is none that we know, as after a DEALLOCATE of our statements
        return refused(reasonOf(error))
    }
  }

  async #run(command: 'commit' | 'rollback'): Promise<unknown> {
    const result = await attempt(this.#connection.command(command, operations[command]))
    if (result instanceof Error && !(await this.#connection.settled())) this.#connection.destroy()
    return result
  }
}

interface Asked {
  readonly written: boolean
  readonly intact: boolean
  readonly isolation: string
}

const asking = `
  select pg_current_xact_id_if_assigned() is not null as written,
    current_setting('verdict.branch', true) is not distinct from current_user::text as intact,
    current_setting('transaction_isolation') as isolation`

const lostBefore = reason(
  reasonCodes.resourceRefused,
  'The connection to PostgreSQL was lost before the branch was prepared.',
  true,
)

const endedBehindOurBack = reason(
  reasonCodes.resourceRefused,
  'A statement of the operation ended the local transaction (as COMMIT does) or left another role set (SET ROLE), so the branch cannot be prepared. End neither the transaction nor the operation in another role.',
  false,
)

const isolationChanged = reason(
  reasonCodes.resourceRefused,
  'A function that the operation called changed the isolation of its session. Set it by a statement of the operation, or for the role.',
  true,
)

const writtenElsewhere = reason(
  reasonCodes.resourceRefused,
  'A statement reported changed rows, yet nothing was written in this database, as with a foreign table. Such changes cannot be prepared: give their database a participant of its own.',
  false,
)

function refused(why: Reason): Ended<never> {
  return { kind: 'refused', reason: why }
}

async function attempt<T>(answer: Promise<T>): Promise<T | Error> {
  try {
    return await answer
  } catch (error) {
    if (isStoreError(error)) return error
    throw error
  }
}
