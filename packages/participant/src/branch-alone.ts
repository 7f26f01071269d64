import { type Reason, reasonCodes } from '@verdict/protocol'
import { unknownBranch } from './ballot.ts'
import type { Branch, BranchEffect, BranchEvent, LoneRequest, SealedList } from './branch-state.ts'
import { fail, isOpening, oneShotResults, proceed } from './branch-step.ts'
import { expired } from './reason.ts'
import type { CommitResult } from './resource.ts'

/**
 * The owner asks the branch to commit by itself (rule R9): exactly this opening with exactly these calls does, or nothing of the id
 * ever will. What is prepared, or under way under another list, is in no doubt of the owner's: it asks again.
 */
export function aloneAsked(
  branch: Branch,
  { sealed, listed, named, request }: Extract<BranchEvent, { kind: 'alone-asked' }>,
  nowMs: number,
): BranchEffect[] {
  const isSame = branch.lone !== undefined && branch.sealed?.digest === sealed.digest
  switch (branch.stage) {
    case 'opening':
    case 'open':
      if (branch.sealed !== undefined) return isSame ? join(branch, request) : [busy(sealed, request)]
      // Another opening, or none that is named: what is open here is dropped once that is durable.
      if (!isOpening(branch, listed, named)) return [settle(sealed, request, unknownBranch)]
      branch.sealed = sealed
      branch.lone = { ...request }
      return branch.running || listed.calls !== branch.started || listed.calls !== branch.calls.length
        ? fail(branch, unknownBranch)
        : proceed(branch, nowMs)
    case 'committing':
      return isSame ? join(branch, request) : [busy(sealed, request)]
    case 'preparing':
      return [busy(sealed, request)]
    case 'read-only':
      return isSame
        ? [{ kind: 'tell', asker: request.asker, digest: sealed.digest, answer: { kind: 'read-only' } }]
        : [settle(sealed, request, unknownBranch)]
    case 'over':
      return [settle(sealed, request, branch.reason ?? unknownBranch)]
    case 'prepared':
    case 'uncertain':
    case 'gone':
      return [settle(sealed, request, unknownBranch)]
  }
}

/** The resource has answered. What is not known for certain is made so before anything is told. */
export function commitEnded(branch: Branch, result: CommitResult): BranchEffect[] {
  const { sealed, lone } = branch
  if (branch.stage !== 'committing' || sealed === undefined || lone === undefined) return []
  const { digest } = sealed
  const results = oneShotResults(branch)
  const known = results === undefined ? {} : { results }
  switch (result.kind) {
    case 'committed':
      branch.stage = 'gone'
      return [{ kind: 'tell', asker: lone.asker, digest, answer: { kind: 'committed', ...known } }]
    case 'read-only':
      // Operations that are declared read-only may as well run again, for whoever asks again for their values.
      branch.stage = branch.nonce === undefined ? 'gone' : 'read-only'
      branch.calls.length = 0
      return [{ kind: 'tell', asker: lone.asker, digest, answer: { kind: 'read-only', ...known } }]
    case 'refused':
      branch.stage = 'over'
      branch.reason = result.reason
      return [settle(sealed, lone, result.reason)]
    case 'expired':
      branch.stage = 'over'
      branch.reason = expired
      return [{ kind: 'tell', asker: lone.asker, digest, answer: { kind: 'expired' } }]
    case 'exists':
    case 'busy':
      branch.stage = 'over'
      branch.reason = result.kind === 'exists' ? unknownBranch : uncertain
      return [settle(sealed, lone, branch.reason)]
  }
}

function join(branch: Branch, { asker }: LoneRequest): BranchEffect[] {
  if (branch.lone !== undefined) branch.lone.asker = asker
  return []
}

function busy({ digest }: SealedList, { asker }: LoneRequest): BranchEffect {
  return { kind: 'tell', asker, digest, answer: { kind: 'busy' } }
}

function settle({ digest }: SealedList, { asker }: LoneRequest, reason: Reason): BranchEffect {
  return { kind: 'settle', asker, digest, reason }
}

const uncertain: Reason = {
  code: reasonCodes.resourceRefused,
  message: 'The resource lost the commit on its way, and never made it. Run the transaction again.',
  retryable: true,
}
