import {
  type Nonce,
  type Operation,
  type Reason,
  reasonCodes,
  type Token,
  type TraceContext,
  type TransactionId,
} from '@verdict/protocol'
import { aloneAsked, commitEnded } from './branch-alone.ts'
import { accept, answer, called, doubled, metRow, ran } from './branch-call.ts'
import { looked, prepareAsked, prepareEnded } from './branch-prepare.ts'
import {
  type ArrivedCall,
  type Branch,
  type BranchEffect,
  type BranchEvent,
  type BranchLimits,
  isOpen,
  type LoneRequest,
  type SealedList,
} from './branch-state.ts'
import { fail, proceed } from './branch-step.ts'

/** A branch that a first call opens; its first event is that call. */
export function newBranch(
  opening: {
    readonly id: TransactionId
    readonly token: Token
    readonly nonce: Nonce
    readonly trace: TraceContext | undefined
  },
  call: ArrivedCall,
  nowMs: number,
  limits: BranchLimits,
): { readonly branch: Branch; readonly effects: BranchEffect[] } {
  const begunAtMs = nowMs - (call.ageMs ?? 0)
  const branch = blank({ ...opening, begunAtMs, readOnly: false, serializable: false }, nowMs)
  accept(branch, call, nowMs, limits)
  return { branch, effects: [{ kind: 'open', endsAtMs: nowMs + call.leftMs }] }
}

/** A branch that is opened, run and ended in one go: prepared, or committed by itself when that was asked for. */
export function newOneShot(
  opening: {
    readonly id: TransactionId
    readonly token: Token
    readonly trace: TraceContext | undefined
    readonly readOnly: boolean
    readonly lone: LoneRequest | undefined
    readonly ageMs?: number | undefined
    readonly serializable?: boolean
  },
  sealed: SealedList,
  operations: readonly Operation[],
  leftMs: number,
  nowMs: number,
): { readonly branch: Branch; readonly effects: BranchEffect[] } {
  const { id, token, trace, readOnly, lone, ageMs = 0, serializable = false } = opening
  const begunAtMs = nowMs - ageMs
  const branch = blank({ id, token, trace, readOnly, serializable, begunAtMs, nonce: undefined }, nowMs)
  branch.sealed = sealed
  branch.lone = lone
  branch.endsAtMs = nowMs + leftMs
  for (const operation of operations) {
    branch.calls.push({ operation, endsAtMs: branch.endsAtMs, result: undefined, askers: [] })
  }
  return { branch, effects: [{ kind: 'open', endsAtMs: branch.endsAtMs }] }
}

/**
 * Advances one branch in place and says what is to be done. The same state and event always give the same result. What another
 * opening of the same id is to be answered is decided here too: at most one of an instance is open at a time.
 */
export function advanceBranch(branch: Branch, event: BranchEvent, nowMs: number, limits: BranchLimits): BranchEffect[] {
  switch (event.kind) {
    case 'first-called':
      if (event.nonce !== branch.nonce) return [answer(event.call, { kind: 'busy' })]
      return doubled(branch, event.call)
    case 'called':
      return called(branch, event, nowMs, limits)
    case 'opened':
      if (branch.stage !== 'opening') return [{ kind: 'rollback' }]
      branch.stage = 'open'
      return proceed(branch, nowMs)
    case 'not-opened':
      return branch.stage === 'opening' ? fail(branch, event.reason, false) : []
    case 'met-row':
      return branch.stage === 'opening' ? metRow(branch) : []
    case 'ran':
      return ran(branch, event, nowMs, limits)
    case 'prepare-asked':
      return prepareAsked(branch, event, nowMs)
    case 'prepare-ended':
      return prepareEnded(branch, event.result, nowMs, limits)
    case 'alone-asked':
      return aloneAsked(branch, event, nowMs)
    case 'commit-ended':
      return commitEnded(branch, event.result)
    case 'released':
      return event.token === branch.token && isOpen(branch) ? fail(branch, released) : []
    case 'dropped':
      return isOpen(branch) ? fail(branch, event.reason) : []
    case 'ended':
      if (!isOpen(branch) && branch.stage !== 'preparing' && branch.stage !== 'committing') branch.stage = 'gone'
      return []
    case 'looked':
      return branch.stage === 'uncertain' ? looked(branch, event.row, nowMs, limits) : []
    case 'woke':
      return woke(branch, nowMs, limits)
  }
}

/** When the branch wants to be woken next; undefined when only others can end it. */
export function branchWakeAtMs(branch: Branch, { idleMs }: BranchLimits): number | undefined {
  switch (branch.stage) {
    case 'opening':
    case 'uncertain':
      return branch.endsAtMs
    case 'open':
      return branch.running ? branch.endsAtMs : Math.min(branch.endsAtMs, branch.lastCallAtMs + idleMs)
    case 'preparing':
    case 'prepared':
    case 'committing':
    case 'read-only':
    case 'over':
    case 'gone':
      return undefined
  }
}

function blank(
  opening: Pick<Branch, 'id' | 'token' | 'nonce' | 'trace' | 'readOnly' | 'begunAtMs' | 'serializable'>,
  nowMs: number,
): Branch {
  return {
    ...opening,
    lone: undefined,
    stage: 'opening',
    calls: [],
    started: 0,
    running: false,
    keptBytes: 0,
    sealed: undefined,
    ballot: undefined,
    reason: undefined,
    endsAtMs: nowMs,
    lastCallAtMs: nowMs,
  }
}

function woke(branch: Branch, nowMs: number, limits: BranchLimits): BranchEffect[] {
  const wakeAtMs = branchWakeAtMs(branch, limits)
  if (wakeAtMs === undefined || nowMs < wakeAtMs) return []
  if (branch.stage !== 'uncertain') return fail(branch, nowMs >= branch.endsAtMs ? budgetSpent : idle)
  branch.endsAtMs = nowMs + limits.inquireAfterMs
  return [{ kind: 'look' }]
}

const released: Reason = {
  code: reasonCodes.clientAborted,
  message: 'The client released the branch.',
  retryable: true,
}

const budgetSpent: Reason = {
  code: reasonCodes.budgetSpent,
  message: "The transaction's time was over before its branch was asked to prepare.",
  retryable: true,
}

const idle: Reason = {
  code: reasonCodes.budgetSpent,
  message: 'The branch was left without a call for too long.',
  retryable: true,
}
