import { describeHolders, maxTextLength, type Reason, reasonCodes } from '@verdict/protocol'
import pg from 'pg'
import { isStoreError } from './connection.ts'
import { holdersOf } from './holders.ts'

/** The SQLSTATEs that Verdict itself tells apart (PostgreSQL's manual, appendix A). */
export const sqlStates = {
  undefinedObject: '42704',
  uniqueViolation: '23505',
  notNullViolation: '23502',
  lockNotAvailable: '55P03',
  deadlockDetected: '40P01',
  serializationFailure: '40001',
  failedTransaction: '25P02',
  readOnlyTransaction: '25006',
  recoveryInProgress: '55000',
  noFreeSlot: '53200',
  tooManyConnections: '53300',
  insufficientPrivilege: '42501',
  // Of Verdict's own: see floor.ts.
  belowFloor: 'VF001',
  floorUnread: 'VF002',
} as const

const integrityViolation = /^23/
const worthAnotherTry = /^(40|53|57|58|55P03|08)/ // rolled back, short of resources, operator, system, lock, connection

/** Why the database threw this, or something that has it as its cause; undefined when the database did not. */
export function explain(error: unknown): Reason | undefined {
  let cause = error
  while (cause instanceof Error) {
    const found: unknown = cause
    if (isStoreError(found)) return reasonOf(found)
    cause = cause.cause
  }
  return undefined
}

/** The reason that the caller of a branch is told for an error of the database. Values of rows are never part of it. */
export function reasonOf(error: Error): Reason {
  if (!(error instanceof pg.DatabaseError)) {
    return reason(reasonCodes.resourceRefused, `The connection to PostgreSQL was lost (${error.message}).`, true)
  }
  const state = error.code ?? ''
  switch (state) {
    case sqlStates.lockNotAvailable:
      return lockReason(reasonCodes.lockTimeout, `Waited too long for a lock${nameOf(error)}.`, error)
    case sqlStates.deadlockDetected:
      return lockReason(reasonCodes.deadlock, `Chosen as the victim of a deadlock${nameOf(error)}.`, error)
    case sqlStates.serializationFailure:
      return reason(
        reasonCodes.notSerializable,
        `Could not be serialized with other transactions${nameOf(error)}.`,
        true,
      )
    case sqlStates.noFreeSlot:
      return reason(reasonCodes.overloaded, `PostgreSQL is out of a resource: ${error.message}.`, true)
    case sqlStates.tooManyConnections:
      return reason(reasonCodes.overloaded, 'PostgreSQL takes no more connections.', true)
  }
  const message = integrityViolation.test(state)
    ? `A constraint was violated${nameOf(error)}: ${error.message}.`
    : `PostgreSQL refused${nameOf(error)}: ${error.message} (SQLSTATE ${state}).`
  return reason(reasonCodes.resourceRefused, message, worthAnotherTry.test(state))
}

function lockReason(code: string, message: string, error: pg.DatabaseError): Reason {
  const heldBy = holdersOf(error)
  if (heldBy.length === 0) return reason(code, message, true)
  return { ...reason(code, `${message} There ${describeHolders(heldBy)}.`, true), heldBy }
}

export function reason(code: string, message: string, retryable: boolean): Reason {
  return { code, message: message.slice(0, maxTextLength), retryable }
}

/** Where it happened, as far as the server says: for a lock only its context names the relation. */
function nameOf({ table, where }: pg.DatabaseError): string {
  const relation = table ?? /relation "([^"]+)"/.exec(where ?? '')?.[1]
  return relation === undefined ? '' : ` at ${relation}`
}
