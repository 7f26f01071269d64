import { type Found, groupOf, type TransactionId } from '@verdict/protocol'
import { coordinatorService, linksTo, methods } from '@verdict/protocol/telemetry'
import { ask } from './ask.ts'
import type { Tally } from './cost.ts'
import type { Ending } from './ending.ts'
import { InDoubt } from './errors.ts'
import type { Line } from './group.ts'
import type { ResendTiming } from './resend.ts'
import type { TracedCall } from './telemetry.ts'

const lookTiming: ResendTiming = { resendMs: 300, maxResendMs: 2_000, unreachableMs: 50, patienceMs: Infinity }

export interface LookRequest {
  readonly id: TransactionId
  /** Whether the caller keeps the id, for the advice in the error. */
  readonly kept: boolean
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
  readonly tally?: Tally | undefined
}

/**
 * Asks what is recorded of a transaction. It never changes anything (rule R3).
 * @throws InDoubt when nobody answered in time.
 */
export function look(line: Line, request: LookRequest): Promise<Found> {
  const site = { service: coordinatorService, method: methods.look, id: request.id }
  return line.telemetry.call(site, (call) => askForRecord(line, request, call), endingOf)
}

async function askForRecord(
  { world, inbox, subjects, owner }: Line,
  { id, kept, deadlineMs, signal, tally }: LookRequest,
  { span, trace, resent }: TracedCall,
): Promise<Found> {
  const group = groupOf(id)
  const asked = await ask(world, inbox, {
    subject: subjects.look(group, owner),
    message: () => ({ type: 'look', ids: [id], ...trace }),
    from: (by) => by.kind === 'replica' && by.group === group,
    read: (answer) => {
      if (answer.type !== 'looked') return undefined
      const found = answer.found.find((one) => one.id === id)
      return found === undefined ? undefined : { kind: 'answer', value: found }
    },
    timing: lookTiming,
    deadlineMs,
    signal,
    resent,
    tally,
  })
  tally?.step('look')
  if (asked.kind === 'answered') {
    if (asked.value.kind === 'recorded') span.addLinks(linksTo([asked.value.trace]))
    return asked.value
  }
  throw new InDoubt(id, whyUnanswered(asked.why), { kept, cause: signal?.aborted ? signal.reason : undefined })
}

function endingOf(found: Found): Ending {
  if (found.kind !== 'recorded') return {}
  return { outcome: found.outcome, ...(found.reason && { reason: found.reason }) }
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
