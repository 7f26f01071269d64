import {
  type BranchList,
  type Commit,
  type Decided,
  type Digest,
  digestOf,
  type Operation,
  type Payload,
  parseId,
  type TransactionId,
} from '@verdict/protocol'
import { coordinatorService, methods } from '@verdict/protocol/telemetry'
import { type Conclusion, readDecided, readFound } from './answer.ts'
import { ask } from './ask.ts'
import type { Ending } from './ending.ts'
import { CommittedWithHazards, InDoubt, TransactionAborted } from './errors.ts'
import type { Group, Line } from './group.ts'
import { type LookRequest, look, whyUnanswered } from './look.ts'
import { type Receipt, receiptOf } from './receipt.ts'
import type { ResendTiming } from './resend.ts'
import type { TracedCall } from './telemetry.ts'

/** A new leader is elected within seconds and hears only what is sent to it, so that silence is short-lived. */
const commitTiming: ResendTiming = { resendMs: 500, maxResendMs: 2_000, unreachableMs: 50, patienceMs: Infinity }

/** How long after the budget the group is still asked: a decision is nearly always there, and in doubt is nobody's wish. */
export const graceMs = 5_000

/** A sealed transaction whose commit is asked for. */
export interface Sealed {
  readonly id: TransactionId
  readonly list: BranchList
  /** The operations of each branch in the list's order, for a one-shot. */
  readonly operations?: readonly (readonly Operation[])[]
  readonly wait: 'decided' | 'applied'
  readonly endsAtMs: number
  readonly signal: AbortSignal | undefined
}

/** A transaction that took effect: now, or under a run before this one. */
export type Committed =
  | {
      readonly replayed: false
      readonly receipt: Receipt
      /** Values by branch in the list's order, for a one-shot; undefined when they are not known. */
      readonly results: readonly (readonly Payload[])[] | undefined
    }
  | Replayed

export interface Replayed {
  readonly replayed: true
  readonly receipt: Receipt
}

/**
 * Asks the group for the commit until it tells what was decided.
 * @throws TransactionAborted, InDoubt, CommittedWithHazards
 */
export async function commit(line: Line, group: Group, sealed: Sealed): Promise<Committed> {
  const { id, list, signal } = sealed
  const digest = digestOf(id, list)
  const kept = parseId(id).mark === 'kept'
  const site = { service: coordinatorService, method: methods.commit, id }
  const conclusion = await line.telemetry.call(
    site,
    (call) => askForCommit(line, group, { ...sealed, digest }, call),
    endingOf,
  )
  switch (conclusion.kind) {
    case 'committed': {
      const { path, applied, results } = conclusion
      const participants = list.map(({ participant }) => participant)
      return { replayed: false, receipt: { id, path, participants, digest, applied }, results }
    }
    case 'hazards':
      throw new CommittedWithHazards(id, conclusion.hazards)
    case 'aborted':
      throw new TransactionAborted(id, conclusion.reason, true)
    case 'expired':
      throw new InDoubt(id, 'nothing of its time is recorded any more', { kept, expired: true })
    case 'unusable':
      throw new InDoubt(id, `the group did not take the commit (${conclusion.reason.message})`, { kept })
    case 'conflict':
      if (!kept) throw new TransactionAborted(id, conflict, true)
      return await readConflict(line, { id, deadlineMs: sealed.endsAtMs + graceMs, signal })
  }
}

/** A run whose list lost against another run's is told what that one came to (rule R17). */
async function readConflict(line: Line, request: Omit<LookRequest, 'kept'>): Promise<Replayed> {
  const found = await findBefore(line, request)
  if (found !== undefined) return found
  throw new InDoubt(request.id, 'it was decided under another list, and the record of that is not there', {
    kept: true,
  })
}

/**
 * The look with which a run under an id of the caller's begins; undefined when nothing is recorded and it may run.
 * @throws TransactionAborted, InDoubt, CommittedWithHazards
 */
export async function findBefore(line: Line, request: Omit<LookRequest, 'kept'>): Promise<Replayed | undefined> {
  const { id } = request
  const advice = readFound(await look(line, { ...request, kept: true }))
  switch (advice.kind) {
    case 'replay':
      return { replayed: true, receipt: receiptOf(advice.found) }
    case 'hazards':
      throw new CommittedWithHazards(id, advice.hazards)
    case 'aborted':
      throw new TransactionAborted(id, advice.reason, true)
    case 'expired':
      throw new InDoubt(id, 'nothing of its time is recorded any more', { kept: true, expired: true })
    case 'run':
      return undefined
  }
}

async function askForCommit(
  line: Line,
  group: Group,
  sealed: Sealed & { readonly digest: Digest },
  { trace, resent }: TracedCall,
): Promise<Conclusion> {
  const { world, inbox, subjects, owner } = line
  const { id, digest, operations, wait, endsAtMs, signal } = sealed
  let partial: Conclusion | undefined
  const read = (decided: Decided): ReturnType<typeof readDecided> => {
    if (decided.id !== id) return undefined
    return readDecided(decided, { digest, wait, operations })
  }
  const asked = await ask<Conclusion>(world, inbox, {
    subject: subjects.group(group.id, owner),
    message: (nowMs): Commit => ({
      type: 'commit',
      id,
      list: sealed.list,
      digest,
      leftMs: Math.max(0, Math.round(endsAtMs - nowMs)),
      // Results that are not known yet come with acknowledgements; once the budget is spent the outcome alone is worth more.
      wait: nowMs >= endsAtMs ? 'decided' : partial === undefined ? wait : 'applied',
      ...(operations && { operations }),
      ...trace,
    }),
    from: group.isMember,
    read: (answer) => {
      if (answer.type === 'failure') {
        const reason = { code: answer.code, message: answer.message, retryable: false }
        return { kind: 'answer', value: { kind: 'unusable', reason } }
      }
      const reading = answer.type === 'decided' ? read(answer) : undefined
      if (reading === undefined) return undefined
      if (reading.kind === 'final') return { kind: 'answer', value: reading.conclusion }
      if (reading.kind === 'partial') partial = reading.conclusion
      return { kind: 'again' }
    },
    timing: commitTiming,
    deadlineMs: endsAtMs + graceMs,
    signal,
    resent,
  })
  if (asked.kind === 'answered') return asked.value
  if (partial !== undefined) return partial
  const kept = parseId(id).mark === 'kept'
  throw new InDoubt(id, whyUnanswered(asked.why), { kept, cause: signal?.aborted ? signal.reason : undefined })
}

/** An abort is an outcome, and no failure of the group that tells it. */
function endingOf(conclusion: Conclusion): Ending {
  switch (conclusion.kind) {
    case 'committed':
      return { outcome: 'committed', path: conclusion.path }
    case 'hazards':
      return { outcome: 'hazard' }
    case 'aborted':
      return { outcome: 'aborted', reason: conclusion.reason }
    case 'expired':
      return { failure: expired }
    case 'conflict':
      return { failure: conflict }
    case 'unusable':
      return { failure: conclusion.reason }
  }
}

const expired = { code: 'in-doubt', message: 'Nothing of its time is recorded any more.' }
const conflict = {
  code: 'conflict',
  message: 'It was decided under another list of branches, so that this one never will be.',
  retryable: true,
}
