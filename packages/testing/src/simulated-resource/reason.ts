import { type Reason, reasonCodes } from '@verdict/protocol'
import { ConnectionLostError, SimulatedSqlError, type SqlState, sqlStates } from './sql-error.ts'

const retryable: ReadonlySet<SqlState> = new Set([
  sqlStates.lockNotAvailable,
  sqlStates.serializationFailure,
  sqlStates.tooManyPrepared,
])

const codes: Partial<Record<SqlState, string>> = {
  [sqlStates.lockNotAvailable]: reasonCodes.lockTimeout,
  [sqlStates.serializationFailure]: reasonCodes.notSerializable,
}

/** The reason behind an error of the database; undefined for one that is not the database's. */
export function explain(error: unknown): Reason | undefined {
  if (error instanceof ConnectionLostError) {
    return { code: reasonCodes.resourceRefused, message: error.message, retryable: true }
  }
  if (!(error instanceof SimulatedSqlError)) return undefined
  const { message, heldBy } = error
  const code = codes[error.code] ?? reasonCodes.resourceRefused
  return { code, message, retryable: retryable.has(error.code), ...(heldBy.length > 0 && { heldBy }) }
}

/** As `explain`, where only the database can have failed. @throws the error itself when it did not. */
export function reasonOf(error: unknown): Reason {
  const reason = explain(error)
  if (!reason) throw error
  return reason
}
