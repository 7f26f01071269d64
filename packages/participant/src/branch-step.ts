import { maxResultsBytes, type Payload, type Reason } from '@verdict/protocol'
import { refusedBallot } from './ballot.ts'
import type { Asker, Branch, BranchCall, BranchEffect, CallOutcome } from './branch-state.ts'

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
  branch.stage = 'preparing'
  return [{ kind: 'prepare', sealed: branch.sealed, results: oneShotResults(branch) }]
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
  // Another copy of a one-shot may be prepared already, and be what this one failed on: that one's vote counts.
  if (branch.sealed !== undefined) {
    branch.ballot = refusedBallot(reason)
    effects.push({ kind: 'consult', sealed: branch.sealed, otherwise: branch.ballot })
  }
  return effects
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
