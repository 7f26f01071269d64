import { type Connection, isStoreError, type QueryResult, type Statement, sqlState } from './connection.ts'
import type { LockWatch } from './lock-watch.ts'

/** SQL inside the branch's local transaction, in the manner of `pg`. */
export interface Sql {
  /**
   * Runs one statement. Positions in its text are `$1`, `$2`, …; statements are executed in the order of the calls.
   * @throws the error of `pg`, with its SQLSTATE as `code`, after which the branch can only be refused (or taken back to a
   * savepoint); BranchMisuseError for a statement that would end the transaction, or once the branch has ended.
   */
  query<Row extends object = Record<string, unknown>>(
    statement: string | Statement,
    values?: readonly unknown[],
  ): Promise<SqlResult<Row>>
}

export interface SqlResult<Row> {
  readonly rows: Row[]
  /** Rows that the statement returned or changed; null where its kind has no count. */
  readonly rowCount: number | null
}

/** An operation used its session in a way that Verdict cannot allow. The message says what to do instead. */
export class BranchMisuseError extends Error {
  override readonly name = 'BranchMisuseError'
  readonly code = 'branch-misused'
}

const transactionControl =
  /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback(?!\s+((work|transaction)\s+)?to\b))\b/i

// Whatever sets the isolation names it; what only mentions it costs its branch a round trip more.
const isolation = /isolation/i

const writingCommands: ReadonlySet<string | null> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

/** The session of one branch: passes statements on, and remembers what `prepare` must know of them. */
export class BranchSession implements Sql {
  readonly #connection: Connection
  readonly #watch: LockWatch
  #ended = false
  #running = 0
  #wrote = false
  #failure: Error | undefined

  constructor(connection: Connection, watch: LockWatch) {
    this.#connection = connection
    this.#watch = watch
  }

  /** Whether a statement certainly changed rows. When none did, the server has to be asked. */
  get wrote(): boolean {
    return this.#wrote
  }

  /** Statements of the operation without an answer. */
  get running(): number {
    return this.#running
  }

  /** The first error of the database; what follows it in a failed transaction are only its echoes. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** No statement is taken any more: the connection goes to another branch. */
  end(): void {
    this.#ended = true
    this.#watch.end()
  }

  async query<Row extends object>(statement: string | Statement, values?: readonly unknown[]): Promise<SqlResult<Row>> {
    const text = typeof statement === 'string' ? statement : statement.text
    if (this.#ended) {
      throw new BranchMisuseError(
        `The branch has ended, this statement was not run: ${text.slice(0, 80)}. Await every query inside the operation.`,
      )
    }
    const control = transactionControl.exec(text)?.[1]
    if (control !== undefined) {
      throw new BranchMisuseError(
        `${control.toUpperCase()} is not for operations: the branch ends with its transaction, at every participant alike. Throw to refuse; use SAVEPOINT for a part.`,
      )
    }
    if (isolation.test(text)) this.#connection.noteIsolation()
    this.#running += 1
    this.#watch.begin()
    try {
      return this.#note(await this.#connection.query<Row>(this.#statement(statement, values)))
    } catch (error) {
      if (isStoreError(error)) {
        this.#watch.witness(error, sqlState(error))
        this.#failure ??= error
      }
      throw error
    } finally {
      this.#running -= 1
      if (this.#running === 0) this.#watch.end()
    }
  }

  #statement(statement: string | Statement, values: readonly unknown[] | undefined): Statement {
    const given = typeof statement === 'string' ? { text: statement } : statement
    return values === undefined ? given : { ...given, values }
  }

  #note<Row>(result: QueryResult<Row>): QueryResult<Row> {
    if (writingCommands.has(result.command) && result.rowCount !== null && result.rowCount > 0) this.#wrote = true
    return result
  }
}
