import type { ListedBranch } from '@verdict/protocol'
import { type Ballot, busyNothing, busyUnderway, refusedBallot, repeatFor, unknownBranch } from './ballot.ts'
import type { Branch, BranchEffect, BranchEvent, BranchLimits, SealedList, Stage } from './branch-state.ts'
import { fail, isOpening, oneShotResults, proceed } from './branch-step.ts'
import { expired } from './reason.ts'
import type { PrepareResult, Row } from './resource.ts'

/** A leader asks for the branch's vote under a list (rules R4, R5). */
export function prepareAsked(
  branch: Branch,
  { sealed, listed, named }: Extract<BranchEvent, { kind: 'prepare-asked' }>,
  nowMs: number,
): BranchEffect[] {
  const vote = (ballot: Ballot): BranchEffect[] => [{ kind: 'vote', digest: sealed.digest, ballot }]
  const isThisOpening = isOpening(branch, listed, named)
  switch (branch.stage) {
    case 'opening':
    case 'open': {
      // The same one-shot is running: its vote is on its way. Any other list waits until this branch has ended.
      if (branch.sealed !== undefined) return isAskedFor(branch, sealed) ? [] : vote(busyUnderway)
      if (!isThisOpening) return [consult(sealed, listed, named)]
      // Exactly the calls that were answered: one more or one less is another transaction than the client's (rule R5).
      if (branch.running || listed.calls !== branch.started || listed.calls !== branch.calls.length) {
        return [...fail(branch, unknownBranch), ...vote(refusedBallot(unknownBranch))]
      }
      branch.sealed = sealed
      return proceed(branch, nowMs)
    }
    case 'preparing':
      return isAskedFor(branch, sealed) ? [] : vote(busyUnderway)
    case 'committing':
      return vote(busyUnderway)
    case 'prepared':
      return branch.sealed === undefined || branch.ballot === undefined
        ? []
        : vote(repeatFor({ digest: branch.sealed.digest, ballot: branch.ballot }, sealed.digest))
    case 'uncertain':
      // Never refused: what is not seen yet may be prepared a moment later (rule R14).
      return [{ kind: 'consult', sealed, otherwise: busyUnderway }]
    case 'read-only':
    case 'over':
      if (branch.ballot !== undefined && branch.sealed?.digest === sealed.digest) {
        // Another copy of a one-shot may be prepared by now: that one's vote counts.
        const mayBeElsewhere = branch.stage === 'over' && branch.nonce === undefined
        return mayBeElsewhere ? [{ kind: 'consult', sealed, otherwise: branch.ballot }] : vote(branch.ballot)
      }
      if (isThisOpening) return vote(refusedBallot(branch.reason ?? unknownBranch))
      return [consult(sealed, listed, named)]
    case 'gone':
      return [consult(sealed, listed, named)]
  }
}

/** Whether its vote under this list is on its way. */
function isAskedFor({ sealed, lone }: Branch, { digest }: SealedList): boolean {
  return lone === undefined && sealed?.digest === digest
}

/** Only the instance that the list names knows that a branch is not there; any other one says `busy` (rule R5). */
export function consult(
  sealed: SealedList,
  listed: ListedBranch,
  named: boolean,
): Extract<BranchEffect, { kind: 'consult' }> {
  const refuses = listed.kind === 'called' && named
  return { kind: 'consult', sealed, otherwise: refuses ? refusedBallot(unknownBranch) : busyNothing }
}

/** The resource has answered. */
export function prepareEnded(
  branch: Branch,
  result: PrepareResult,
  nowMs: number,
  limits: BranchLimits,
): BranchEffect[] {
  const { sealed } = branch
  if (branch.stage !== 'preparing' || sealed === undefined) return []
  const results = oneShotResults(branch)
  const known = { token: branch.token, ...(results === undefined ? {} : { results }) }
  const cast = (stage: Stage, ballot: Ballot): BranchEffect[] => {
    branch.stage = stage
    branch.ballot = ballot
    return [{ kind: 'vote', digest: sealed.digest, ballot }]
  }
  switch (result.kind) {
    case 'prepared':
      return [{ kind: 'held', sealed }, ...cast('prepared', { kind: 'prepared', ...known })]
    case 'read-only': {
      const declared = branch.readOnly ? { declared: true } : {}
      const votes = cast('read-only', { kind: 'read-only', ...known, ...declared })
      branch.calls.length = 0
      // A repeated vote may come without results; thousands of notes with them would take too much memory.
      branch.ballot = { kind: 'read-only', token: branch.token, ...declared }
      return votes
    }
    case 'refused':
    case 'expired':
      branch.reason = result.kind === 'refused' ? result.reason : expired
      if (branch.nonce !== undefined) return cast('over', refusedBallot(branch.reason))
      branch.stage = 'over'
      branch.ballot = refusedBallot(branch.reason)
      return [{ kind: 'consult', sealed, otherwise: branch.ballot }]
    case 'exists':
      // A one-shot may be run anew should the other row be gone; a called branch cannot.
      branch.stage = branch.nonce === undefined ? 'gone' : 'over'
      return [
        { kind: 'consult', sealed, otherwise: branch.nonce === undefined ? busyNothing : refusedBallot(unknownBranch) },
      ]
    case 'busy':
      branch.endsAtMs = nowMs + limits.inquireAfterMs
      branch.stage = 'uncertain'
      return [{ kind: 'vote', digest: sealed.digest, ballot: busyUnderway }]
  }
}

/** The resource has shown what became of a preparation whose answer was lost. */
export function looked(branch: Branch, row: Row, nowMs: number, { inquireAfterMs }: BranchLimits): BranchEffect[] {
  switch (row.state) {
    case 'prepared': {
      const { sealed } = branch
      if (sealed === undefined || row.digest !== sealed.digest || row.token !== branch.token) {
        branch.stage = 'gone'
        return []
      }
      const results = oneShotResults(branch)
      branch.stage = 'prepared'
      branch.ballot = { kind: 'prepared', token: branch.token, ...(results === undefined ? {} : { results }) }
      return [{ kind: 'held', sealed }]
    }
    case 'underway':
      branch.endsAtMs = nowMs + inquireAfterMs
      return []
    case 'nothing':
    case 'committed':
    case 'aborted':
      branch.stage = 'gone'
      return []
  }
}
