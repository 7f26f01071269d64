import { cutReason, NestedCallError, ProtocolError, type Reason, reasonCodes } from '@verdict/protocol'
import { Refusal } from './refusal.ts'
import { type Resource, ResourceRefusal } from './resource.ts'

/** Whose code failed, and what may know why. */
export interface Failing {
  readonly participant: string
  readonly operation: string
  /** Whether the call's time was over when it failed. */
  readonly outOfTime: boolean
  readonly explain: Resource<object>['explain']
}

/** Why an operation ended with an error, in words for whoever called it. */
export function reasonOf(error: unknown, failing: Failing): Reason {
  const { participant, operation } = failing
  const isKnown = error instanceof Refusal || error instanceof NestedCallError || error instanceof ProtocolError
  if (isKnown) return bounded({ code: error.code, message: error.message, retryable: error.retryable, participant })
  const explained = error instanceof ResourceRefusal ? error.reason : failing.explain(error)
  if (explained !== undefined) return bounded({ ...explained, participant })
  if (failing.outOfTime) {
    return {
      code: reasonCodes.budgetSpent,
      message: `The time of ${participant}.${operation} was over before it returned.`,
      retryable: true,
      participant,
    }
  }
  return bounded({
    code: reasonCodes.operationFailed,
    message: `${participant}.${operation} failed: ${String(error)}`,
    retryable: false,
    participant,
  })
}

/** Reasons are kept in the log: text that user code made is cut to what fits there. */
function bounded(reason: Reason): Reason {
  return cutReason({ ...reason, code: reason.code || reasonCodes.operationFailed })
}

export const draining: Reason = {
  code: reasonCodes.draining,
  message: 'This instance of the participant is stopping. Try again: another one takes the call.',
  retryable: true,
}

export const overloaded: Reason = {
  code: reasonCodes.overloaded,
  message: 'As many branches are open or prepared here as the participant has room for. Try again later.',
  retryable: true,
}

export const expired: Reason = {
  code: reasonCodes.expired,
  message:
    'The transaction is too old: its group may have forgotten what became of it, so this participant takes no part in it any more. If commit was never asked for, run it again under a new id.',
  retryable: true,
}

export const notOpened: Reason = {
  code: reasonCodes.resourceRefused,
  message: 'The resource could not open a branch. Try again later.',
  retryable: true,
}

/** Handling the branch threw: a fault in the program, of this transaction alone. */
export const poisoned: Reason = {
  code: reasonCodes.operationFailed,
  message: 'The participant failed while it dealt with this branch.',
  retryable: false,
}

export const abortedMeanwhile: Reason = {
  code: reasonCodes.clientAborted,
  message: 'The transaction was aborted while its branch was open.',
  retryable: true,
}
