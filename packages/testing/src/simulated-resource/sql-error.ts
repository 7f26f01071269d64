import type { LockHolder } from '@verdict/protocol'

/** Errors of the simulated database, by the codes that PostgreSQL has for them. */
export const sqlStates = {
  uniqueViolation: '23505',
  checkViolation: '23514',
  readOnlyTransaction: '25006',
  failedTransaction: '25P02',
  serializationFailure: '40001',
  undefinedPrepared: '42704',
  tooManyPrepared: '53200',
  preparedBusy: '55000',
  lockNotAvailable: '55P03',
} as const

export type SqlState = (typeof sqlStates)[keyof typeof sqlStates]

/** The database refused a statement. `code` is PostgreSQL's SQLSTATE. */
export class SimulatedSqlError extends Error {
  override readonly name = 'SimulatedSqlError'
  readonly code: SqlState
  /** Who held the lock that was waited for in vain. */
  readonly heldBy: readonly LockHolder[]

  constructor(code: SqlState, message: string, heldBy: readonly LockHolder[] = []) {
    super(message)
    this.code = code
    this.heldBy = heldBy
  }
}

/** The connection broke: what was under way on it may have happened, may yet happen, or never will. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError'
  readonly code = 'connection-lost'

  constructor() {
    super('The connection to the simulated database broke. Whether the last request was carried out is not known.')
  }
}

export function isSqlState(error: unknown, code: SqlState): boolean {
  return error instanceof SimulatedSqlError && error.code === code
}
