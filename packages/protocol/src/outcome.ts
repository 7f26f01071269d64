import type { TransactionId } from './id.ts'
import { maxLabelLength, maxLockHolders, maxTextLength, maxWhatLength } from './limits.ts'

/** What became of a transaction. Only these two are outcomes; every other answer decides nothing. */
export type Outcome = 'committed' | 'aborted'

/** Why something was refused or aborted, for the one who has to act on it. */
export interface Reason {
  /** Stable, for programs: the operation's own code (`insufficient-funds`), or one of the protocol's (`budget-spent`). */
  readonly code: string
  /** For people. */
  readonly message: string
  /** Whether a new attempt may succeed without any change by the caller. */
  readonly retryable: boolean
  /** Whose reason it is, when it is a participant's. */
  readonly participant?: string
  /** Who held what the branch waited for in vain, as far as its resource can tell: the edges of a graph of who waits for whom. */
  readonly heldBy?: readonly LockHolder[]
}

/** Somebody who held a lock. */
export interface LockHolder {
  /** What was locked, as its resource names it: a table, a key. */
  readonly what: string
  /** How, in the resource's own words. */
  readonly mode?: string
  /** Whose branch it is, where that is known. */
  readonly transaction?: TransactionId
  /** Who it is otherwise: a session of the database, for example. */
  readonly other?: string
}

/** The holders in words, for the message of a reason; empty when there is none. */
export function describeHolders(holders: readonly LockHolder[]): string {
  return holders.map(describeHolder).join('; ')
}

function describeHolder({ what, mode, transaction, other }: LockHolder): string {
  const who = transaction === undefined ? (other ?? 'somebody unknown') : `transaction ${transaction}`
  return `${what} is held by ${who}${mode === undefined ? '' : ` (${mode})`}`
}

/** A text that may travel and stay in the log: cut to the length that the protocol allows. */
export function cutText(text: string): string {
  return text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength - 1)}…`
}

/** A reason that may travel. Whoever makes one from a user's words passes it through here: a longer one would not be read. */
export function cutReason(reason: Reason): Reason {
  const { code, message, heldBy } = reason
  const cut = { ...reason, code: code.slice(0, maxLabelLength), message: cutText(message) }
  return heldBy === undefined ? cut : { ...cut, heldBy: heldBy.slice(0, maxLockHolders).map(cutHolder) }
}

function cutHolder({ what, mode, transaction, other }: LockHolder): LockHolder {
  return {
    what: what.slice(0, maxWhatLength),
    ...(mode === undefined ? {} : { mode: mode.slice(0, maxLabelLength) }),
    ...(transaction === undefined ? {} : { transaction }),
    ...(other === undefined ? {} : { other: other.slice(0, maxWhatLength) }),
  }
}

/** The protocol's own reasons for `refused` and `aborted`. An operation's own codes may be anything else. */
export const reasonCodes = {
  /** The client gave up: its function threw, or it asked for the abort. */
  clientAborted: 'client-aborted',
  /** An operator aborted it by hand. */
  operatorAborted: 'operator-aborted',
  /** Time ran out before every branch had voted. */
  budgetSpent: 'budget-spent',
  /** The branch is not there (any more) as the list names it: another token, or other calls than it executed. */
  unknownBranch: 'unknown-branch',
  /** A branch was prepared under another list. */
  conflict: 'conflict',
  /** The participant's process that held the unprepared branch is gone. */
  instanceGone: 'instance-gone',
  /** Nobody answers for the participant: none of its instances is connected. */
  unreachable: 'unreachable',
  /** Recovery found a prepared branch and nobody who knew the list. */
  listLost: 'list-lost',
  /** The user's code threw something that is not a refusal. */
  operationFailed: 'operation-failed',
  /** The participant does not have the operation. */
  unknownOperation: 'unknown-operation',
  /** The operation's input did not pass its schema. */
  invalidInput: 'invalid-input',
  /** The resource waited too long for a lock. */
  lockTimeout: 'lock-timeout',
  /** The resource chose the branch as the victim of a deadlock inside it. */
  deadlock: 'deadlock',
  /** The resource could not serialize the branch with others. */
  notSerializable: 'not-serializable',
  /** The resource refused to prepare: a constraint, no free slot. */
  resourceRefused: 'resource-refused',
  /** A limit of the participant or of the group was met. */
  overloaded: 'overloaded',
  /** The participant is stopping. */
  draining: 'draining',
  /** An operation called another participant inside the transaction. */
  nestedCall: 'nested-call',
  /** The id's epoch lies beyond the group's. */
  futureEpoch: 'future-epoch',
  /** The id's epoch lies at or below the floor of the participant: its group has forgotten what old ids did. */
  expired: 'expired',
} as const
