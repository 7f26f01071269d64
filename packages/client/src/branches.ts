import {
  type CalledBranch,
  type InstanceId,
  maxBranches,
  maxCallsPerBranch,
  type ParticipantName,
  type Reason,
  type Token,
} from '@verdict/protocol'
import { ClientError, tooManyBranches } from './errors.ts'

/** Where a branch is held, once its first call was answered. */
export interface Opening {
  readonly instance: InstanceId
  readonly token: Token
}

/** What one transaction knows of one of its branches. */
export interface OpenedBranch {
  readonly participant: ParticipantName
  opening: Opening | undefined
  /** Calls that were sent; the last one may not be answered yet. */
  sent: number
  answered: number
}

/**
 * The branches of one running transaction. Plain data: what was called where, and whether it can still be committed. A call that
 * failed, or that nobody answered, poisons the transaction for good (rule R5): nobody knows what the branch has done.
 */
export interface Branches {
  readonly byParticipant: Map<ParticipantName, OpenedBranch>
  poison: Reason | undefined
  /** No call may follow: the list is sealed, or the transaction has ended. */
  sealed: boolean
}

export function newBranches(): Branches {
  return { byParticipant: new Map(), poison: undefined, sealed: false }
}

/** The branch for a call that is about to be sent, and the number of that call. @throws ClientError */
export function beginCall(branches: Branches, participant: ParticipantName): { branch: OpenedBranch; n: number } {
  if (branches.sealed) {
    throw new ClientError(
      'transaction-over',
      `${participant} was called after the transaction's function had returned. Await every call inside the function.`,
    )
  }
  const known = branches.byParticipant.get(participant)
  if (known === undefined && branches.byParticipant.size >= maxBranches) throw tooManyBranches(participant, maxBranches)
  const branch = known ?? { participant, opening: undefined, sent: 0, answered: 0 }
  if (branch.sent >= maxCallsPerBranch) {
    throw new ClientError(
      'too-many-calls',
      `${participant} takes at most ${maxCallsPerBranch} calls in a transaction.`,
      'maxCallsPerBranch',
    )
  }
  if (branch.sent !== branch.answered) throw new Error(`Broken invariant: two calls to ${participant} at once.`)
  branches.byParticipant.set(participant, branch)
  branch.sent += 1
  return { branch, n: branch.sent }
}

/** Notes that a call took effect. */
export function callAnswered(branch: OpenedBranch, opening: Opening): void {
  branch.opening ??= opening
  branch.answered += 1
}

/** The first poison stays: it is what the caller is told. A sealed list stands, whatever is tried after it. */
export function poison(branches: Branches, reason: Reason): void {
  if (!branches.sealed) branches.poison ??= reason
}

/** Every branch to which a call was ever sent, for the list (rule R4). */
export function calledBranches(branches: Branches): CalledBranch[] {
  if (branches.poison !== undefined) throw new Error('Broken invariant: a poisoned transaction is sealed.')
  branches.sealed = true
  return [...branches.byParticipant.values()].map(({ participant, opening, sent, answered }) => {
    if (opening === undefined || sent !== answered)
      throw new Error(`Broken invariant: ${participant} has not answered.`)
    return { kind: 'called', participant, ...opening, calls: answered }
  })
}

/** The openings that are known: what can be released. */
export function openings(branches: Branches): { participant: ParticipantName; opening: Opening }[] {
  return [...branches.byParticipant.values()].flatMap(({ participant, opening }) =>
    opening === undefined ? [] : [{ participant, opening }],
  )
}
