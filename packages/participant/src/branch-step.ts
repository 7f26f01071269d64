import {
  type CalledBranch,
  type Digest,
  type ListedBranch,
  maxResultsBytes,
  type Payload,
  type Reason,
  reasonCodes,
} from '@verdict/protocol'
import { refusedBallot } from './ballot.ts'
import type { Asker, Branch, BranchCall, BranchEffect, CallOutcome, LoneRequest } from './branch-state.ts'

/** Starts what can start now: the next call, or preparing once a list was given and every call has run. */
export function proceed(branch: Branch, nowMs: number): BranchEffect[] {
  if (branch.stage !== 'open' || branch.running) return []
  const next = branch.calls[branch.started]
  const operation = next?.operation
  if (next !== undefined && operation !== undefined) {
    branch.started += 1
    branch.running = true
    next.operation = undefined
    return [{ kind: 'run', n: branch.started, operation, leftMs: Math.max(0, next.endsAtMs - nowMs) }]
  }
  if (branch.sealed === undefined) return []
  const results = oneShotResults(branch)
  if (branch.lone === undefined) {
    branch.stage = 'preparing'
    return [{ kind: 'prepare', sealed: branch.sealed, results }]
  }
  branch.stage = 'committing'
  // A one-shot that only read may write when it is executed again, unless it is declared not to (rule R9).
  const rowAlways = branch.nonce === undefined && !branch.readOnly
  return [{ kind: 'commit', sealed: branch.sealed, results, rowAlways }]
}

/** Whether a list's entry names this very opening, at this very instance (rule R5). */
export function isOpening({ token }: Branch, listed: ListedBranch, named: boolean): listed is CalledBranch {
  return listed.kind === 'called' && named && listed.token === token
}

/** The values of a one-shot that ran to its end; undefined when they are more than a vote may carry (rule R5). */
export function oneShotResults({ nonce, calls }: Branch): readonly Payload[] | undefined {
  if (nonce !== undefined) return undefined
  const values = calls.flatMap(({ result }) =>
    typeof result === 'object' && result.kind === 'value' ? [result.value] : [],
  )
  const bytes = values.reduce((sum, { length }) => sum + length, 0)
  return values.length === calls.length && bytes <= maxResultsBytes ? values : undefined
}

/** Ends an open branch without effect; whoever waits for a call or a vote is told why. */
export function fail(branch: Branch, reason: Reason, mustRollBack: boolean = branch.stage === 'open'): BranchEffect[] {
  const effects: BranchEffect[] = mustRollBack ? [{ kind: 'rollback' }] : []
  effects.push(...answerAll(branch, { kind: 'refused', reason }))
  branch.running = false
  branch.stage = 'over'
  branch.reason = reason
  if (branch.sealed !== undefined && branch.lone !== undefined) {
    effects.push(endAlone(branch, branch.lone, branch.sealed.digest, reason))
    return effects
  }
  // Another copy of a one-shot may be prepared already, and be what this one failed on: that one's vote counts.
  if (branch.sealed !== undefined) {
    branch.ballot = refusedBallot(reason)
    effects.push({ kind: 'consult', sealed: branch.sealed, otherwise: branch.ballot })
  }
  return effects
}

/** A lone branch has failed: nothing of its id may ever commit here, before its owner is told (rule R9). */
function endAlone(branch: Branch, { asker, again }: LoneRequest, digest: Digest, reason: Reason): BranchEffect {
  // A copy that waits in vain for a lock may wait for the first one, which is healthy: the owner asks again.
  if (!again || branch.nonce !== undefined || reason.code !== reasonCodes.lockTimeout)
    return { kind: 'settle', asker, digest, reason }
  branch.stage = 'gone'
  return { kind: 'tell', asker, digest, answer: { kind: 'busy' } }
}

/** Answers whoever waits for a call of a branch that runs none any more. */
export function answerAll({ calls }: Branch, result: CallOutcome): BranchEffect[] {
  const answers = calls.flatMap((call, position) =>
    takeAskers(call).map((asker): BranchEffect => ({ kind: 'answer', asker, n: position + 1, result })),
  )
  calls.length = 0
  return answers
}

export function takeAskers(call: BranchCall): readonly Asker[] {
  const { askers } = call
  call.askers = []
  return askers
}
