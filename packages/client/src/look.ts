import { type Found, groupOf, type TransactionId } from '@verdict/protocol'
import { ask } from './ask.ts'
import { InDoubt } from './errors.ts'
import type { Line } from './group.ts'
import type { ResendTiming } from './resend.ts'

const lookTiming: ResendTiming = { resendMs: 300, maxResendMs: 2_000, unreachableMs: 50, patienceMs: Infinity }

export interface LookRequest {
  readonly id: TransactionId
  /** Whether the caller keeps the id, for the advice in the error. */
  readonly kept: boolean
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Asks what is recorded of a transaction. It never changes anything (rule R3).
 * @throws InDoubt when nobody answered in time.
 */
export async function look({ world, inbox, subjects, owner }: Line, request: LookRequest): Promise<Found> {
  const { id, kept, deadlineMs, signal } = request
  const group = groupOf(id)
  const asked = await ask(world, inbox, {
    subject: subjects.look(group, owner),
    message: () => ({ type: 'look', ids: [id] }),
    from: (by) => by.kind === 'replica' && by.group === group,
    read: (answer) => {
      if (answer.type !== 'looked') return undefined
      const found = answer.found.find((one) => one.id === id)
      return found === undefined ? undefined : { kind: 'answer', value: found }
    },
    timing: lookTiming,
    deadlineMs,
    signal,
  })
  if (asked.kind === 'answered') return asked.value
  throw new InDoubt(id, whyUnanswered(asked.why), { kept, cause: signal?.aborted ? signal.reason : undefined })
}

/** Why a group's answer is missing, for people. */
export function whyUnanswered(why: 'no-answer' | 'unreachable' | 'cancelled'): string {
  switch (why) {
    case 'no-answer':
      return 'the coordinator group did not answer in time'
    case 'unreachable':
      return 'the coordinator group had no leader that could be reached'
    case 'cancelled':
      return 'the caller stopped waiting for the answer'
  }
}
