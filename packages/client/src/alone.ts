import {
  type Alone,
  type Answer,
  type BranchList,
  type Digest,
  isLone,
  type ListedBranch,
  type Operation,
  type ParticipantName,
  type TransactionId,
} from '@verdict/protocol'
import { type Conclusion, readLone } from './answer.ts'
import { ask, type Sending, type Taken, wholeMs } from './ask.ts'
import type { Tally } from './cost.ts'
import { InDoubt } from './errors.ts'
import type { Line } from './group.ts'
import { graceMs } from './options.ts'
import type { ResendTiming } from './resend.ts'
import type { TracedCall } from './telemetry.ts'

/** It may run operations and wait for locks, so that silence is not loss; nobody else can decide it, so that nobody else is asked. */
const aloneTiming: ResendTiming = { resendMs: 1_000, maxResendMs: 4_000, unreachableMs: 50, patienceMs: Infinity }

/** Sendings to the instance that holds the branch before others are asked too: it may be busy, and another one would only bury it. */
const patientSendings = 2

/** A lone transaction to be decided by its participant, or one of which nobody knows what that has decided. */
export interface LoneSealed {
  readonly id: TransactionId
  readonly list: BranchList
  readonly digest: Digest
  /** For a one-shot that may still run. */
  readonly operations: readonly (readonly Operation[])[] | undefined
  readonly begunAtMs: number
  readonly endsAtMs: number
  readonly signal: AbortSignal | undefined
  readonly tally?: Tally | undefined
}

/** The one branch of a lone transaction; undefined when it is none. */
export function loneBranch(id: TransactionId, list: BranchList): ListedBranch | undefined {
  return isLone(id, list) ? list[0] : undefined
}

/**
 * Asks a participant to decide a lone transaction until it tells how (rule R9): first the instance that holds the branch, any
 * of them once that is gone. No answer, and nobody that listens, say nothing of the outcome.
 * @throws InDoubt
 */
export async function askAlone(
  { world, inbox, subjects, owner }: Line,
  branch: ListedBranch,
  sealed: LoneSealed,
  { trace, resent }: TracedCall,
): Promise<Conclusion> {
  const { id, list, digest, operations, begunAtMs, endsAtMs, signal, tally } = sealed
  const { participant } = branch
  const anybody = subjects.firstCall(participant, owner)
  const named = branch.kind === 'called' ? subjects.call(participant, branch.instance, owner) : undefined
  let isGone = false
  const asked = await ask<Conclusion>(world, inbox, {
    subject: ({ attempt, unheard }) => {
      // An instance is one life of a process: once nobody listens there, it will not come back.
      isGone ||= unheard
      const others = attempt > patientSendings && attempt % 2 === 1
      return named === undefined || isGone || others ? anybody : named
    },
    message: ({ nowMs, attempt }: Sending): Alone => ({
      type: 'alone',
      id,
      list,
      digest,
      // Once its time is over nothing runs any more: what it came to is worth more, or that it never will.
      ...(operations?.[0] !== undefined && nowMs < endsAtMs && { operations: operations[0] }),
      leftMs: Math.max(0, Math.round(endsAtMs - nowMs)),
      ageMs: wholeMs(nowMs - begunAtMs),
      again: attempt > 1,
      ...trace,
    }),
    from: (by) => by.kind === 'participant' && by.participant === participant,
    read: (answer) => readAnswer(answer, participant, sealed),
    timing: aloneTiming,
    deadlineMs: endsAtMs + graceMs,
    signal,
    resent,
    tally,
  })
  if (asked.kind === 'answered') return asked.value
  const cause = signal?.aborted ? signal.reason : undefined
  throw new InDoubt(id, whyUnanswered(asked.why, participant), { kept: false, lone: list, cause })
}

function readAnswer(
  answer: Answer,
  participant: ParticipantName,
  { id, digest, operations }: LoneSealed,
): Taken<Conclusion> {
  if (answer.type === 'failure') {
    const reason = { code: answer.code, message: answer.message, retryable: false }
    return { kind: 'answer', value: { kind: 'unusable', reason } }
  }
  const reading =
    answer.type === 'loneDecided' && answer.id === id
      ? readLone(answer, participant, { digest, operations })
      : undefined
  if (reading === undefined) return undefined
  return reading.kind === 'final' ? { kind: 'answer', value: reading.conclusion } : { kind: 'again' }
}

/** Why a participant's answer is missing, for people. */
function whyUnanswered(why: 'no-answer' | 'unreachable' | 'cancelled', participant: string): string {
  switch (why) {
    case 'no-answer':
      return `${participant}, which decides it alone, did not answer in time`
    case 'unreachable':
      return `${participant}, which decides it alone, could not be reached`
    case 'cancelled':
      return 'the caller stopped waiting for the answer'
  }
}
