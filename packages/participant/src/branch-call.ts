import { type Call, maxCallsPerBranch, type Reason, reasonCodes } from '@verdict/protocol'
import { unknownBranch } from './ballot.ts'
import {
  type ArrivedCall,
  type Asker,
  type Branch,
  type BranchEffect,
  type BranchEvent,
  type BranchLimits,
  type CallOutcome,
  isOpen,
} from './branch-state.ts'
import { answerAll, fail, proceed, takeAskers } from './branch-step.ts'

/** A call as its branch takes it. */
export function arrivedCall({ n, operation, args, leftMs, ageMs }: Call, asker: Asker): ArrivedCall {
  return { n, operation: { name: operation, args }, leftMs, ageMs, asker }
}

/** Takes a call into the branch; its turn comes. */
export function accept(
  branch: Branch,
  { operation, leftMs, asker }: ArrivedCall,
  nowMs: number,
  { graceMs }: BranchLimits,
): void {
  branch.calls.push({ operation, endsAtMs: nowMs + leftMs, result: undefined, askers: [asker] })
  branch.lastCallAtMs = nowMs
  branch.endsAtMs = Math.max(branch.endsAtMs, nowMs + leftMs + graceMs)
}

/** A later call: strictly in order, by the token of this opening (rule R5). */
export function called(
  branch: Branch,
  { token, call }: Extract<BranchEvent, { kind: 'called' }>,
  nowMs: number,
  limits: BranchLimits,
): BranchEffect[] {
  if (token !== branch.token) return [answer(call, { kind: 'refused', reason: unknownBranch })]
  if (branch.stage === 'over') return [answer(call, { kind: 'refused', reason: branch.reason ?? unknownBranch })]
  if (call.n <= branch.calls.length) return doubled(branch, call)
  // Strictly in order: what was lost in between might still come, and would run after what was to follow it.
  if (call.n !== branch.calls.length + 1 || !isOpen(branch)) {
    return [answer(call, { kind: 'refused', reason: outOfOrder(branch, call.n) })]
  }
  if (call.n > maxCallsPerBranch) return [answer(call, { kind: 'refused', reason: tooManyCalls })]
  if (branch.calls.length - branch.started >= limits.maxWaitingCalls) {
    return [answer(call, { kind: 'refused', reason: tooManyWaiting })]
  }
  accept(branch, call, nowMs, limits)
  return proceed(branch, nowMs)
}

/** A call that was seen before: it gets the kept result, or waits for the one that is coming; it never runs again. */
export function doubled(branch: Branch, { n, asker }: ArrivedCall): BranchEffect[] {
  if (branch.stage === 'over')
    return [{ kind: 'answer', asker, n, result: { kind: 'refused', reason: branch.reason ?? unknownBranch } }]
  const call = branch.calls[n - 1]
  if (call === undefined || call.result === 'dropped') return []
  if (call.result !== undefined) return [{ kind: 'answer', asker, n, result: call.result }]
  // One client waits for one answer: its newest request replaces the others.
  call.askers = [asker]
  return []
}

/** A call has run. */
export function ran(
  branch: Branch,
  { n, result }: Extract<BranchEvent, { kind: 'ran' }>,
  nowMs: number,
  limits: BranchLimits,
): BranchEffect[] {
  const call = branch.calls[n - 1]
  if (branch.stage !== 'open' || n !== branch.started || call === undefined) return []
  branch.running = false
  branch.lastCallAtMs = nowMs
  // A call that fails poisons the branch: what it half did must not become part of anything (rule R5).
  if (result.kind === 'refused') return fail(branch, result.reason)
  call.result = result
  const answers = takeAskers(call).map((asker): BranchEffect => ({ kind: 'answer', asker, n, result }))
  if (branch.nonce !== undefined) keep(branch, result.value.length, limits)
  return [...answers, ...proceed(branch, nowMs)]
}

/** Another run of the id was here before it: the client looks at the transaction instead (rule R17). */
export function metRow(branch: Branch): BranchEffect[] {
  branch.stage = 'gone'
  return answerAll(branch, { kind: 'busy' })
}

function keep(branch: Branch, bytes: number, { maxKeptBytes }: BranchLimits): void {
  branch.keptBytes += bytes
  for (const call of branch.calls) {
    if (branch.keptBytes <= maxKeptBytes) return
    if (typeof call.result !== 'object' || call.result.kind !== 'value') continue
    branch.keptBytes -= call.result.value.length
    call.result = 'dropped'
  }
}

export function answer({ asker, n }: ArrivedCall, result: CallOutcome): BranchEffect {
  return { kind: 'answer', asker, n, result }
}

function outOfOrder({ calls }: Branch, n: number): Reason {
  return {
    code: reasonCodes.unknownBranch,
    message: `Call ${n} cannot run in this branch, which has taken ${calls.length}: calls run in order, and none after commit was asked.`,
    retryable: true,
  }
}

const tooManyCalls: Reason = {
  code: reasonCodes.overloaded,
  message: `The branch takes no more calls: it has taken ${maxCallsPerBranch}. Let one operation do what several calls did.`,
  retryable: false,
}

export const tooManyWaiting: Reason = {
  code: reasonCodes.overloaded,
  message: 'Too many calls wait for the one that runs in the branch. Wait for answers before more are sent.',
  retryable: false,
}
