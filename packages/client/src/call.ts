import {
  type Answer,
  type CallResult,
  decodePayload,
  type Nonce,
  type Operation,
  ProtocolError,
  type Reason,
  reasonCodes,
  type TransactionId,
} from '@verdict/protocol'
import { type Asked, ask, type Taken, wholeMs } from './ask.ts'
import type { OpenedBranch, Opening } from './branches.ts'
import type { Tally } from './cost.ts'
import type { Ending } from './ending.ts'
import type { Line } from './group.ts'
import type { ResendTiming } from './resend.ts'
import type { TracedCall } from './telemetry.ts'

/** A call may wait for locks for seconds, so that silence is not loss; a participant that restarts is back within its patience. */
const callTiming: ResendTiming = { resendMs: 1_000, maxResendMs: 5_000, unreachableMs: 100, patienceMs: 2_000 }

export interface OneCall {
  readonly id: TransactionId
  readonly nonce: Nonce
  readonly branch: OpenedBranch
  readonly n: number
  readonly operation: Operation
  /** When the first attempt of the transaction began. */
  readonly begunAtMs: number
  /** When the transaction's budget ends. */
  readonly endsAtMs: number
  readonly signal: AbortSignal
  readonly tally: Tally
  /**
   * Told where the branch is held, in the turn in which a value comes: the same answer may come a second time in it, and whoever
   * does not know the opening yet would take that for a stray's.
   */
  readonly onOpening: (opening: Opening) => void
}

/** What became of a call. Anything but a value poisons the transaction. */
export type Called =
  | { readonly kind: 'value'; readonly value: unknown; readonly opening: Opening }
  | { readonly kind: 'failed'; readonly reason: Reason }
  /** Another run of this id holds the branch, or the id is prepared or ended there already. */
  | { readonly kind: 'busy' }

/** Why a call that is answered `busy` poisons its transaction. */
export const otherRun: Reason = {
  code: reasonCodes.conflict,
  message: 'Another run of this transaction is under way.',
  retryable: true,
}

/**
 * Calls one operation: the first call goes to any instance, later ones to the one that holds the branch. It is sent again under the
 * same nonce and number until it is answered, so that it takes effect once (rule R5).
 */
export async function callOperation(line: Line, call: OneCall): Promise<Called> {
  const { id, branch, operation } = call
  const site = { service: branch.participant, method: operation.name, id }
  const leave = line.crowd.join(branch.participant)
  let isAnswered = false
  const ask = async (traced: TracedCall): Promise<Called> => {
    const asked = await askForResult(line, call, traced)
    isAnswered = asked.kind === 'answered'
    return asked.kind === 'answered' ? asked.value : { kind: 'failed', reason: unanswered(call, asked.why) }
  }
  try {
    return await line.telemetry.call(site, ask, endingOf)
  } finally {
    leave(isAnswered)
  }
}

async function askForResult(line: Line, call: OneCall, { trace, resent }: TracedCall): Promise<Asked<Called>> {
  const { world, inbox, subjects, owner } = line
  const { id, nonce, branch, n, operation, begunAtMs, endsAtMs, signal, tally } = call
  const { participant, opening } = branch
  return await ask(world, inbox, {
    subject: opening ? subjects.call(participant, opening.instance, owner) : subjects.firstCall(participant, owner),
    message: ({ nowMs }) => ({
      type: 'call',
      id,
      nonce,
      n,
      operation: operation.name,
      args: operation.args,
      leftMs: wholeMs(endsAtMs - nowMs),
      ageMs: wholeMs(nowMs - begunAtMs),
      ...(opening && { token: opening.token }),
      ...trace,
    }),
    from: (by) => by.kind === 'participant' && by.participant === participant,
    read: (answer) => {
      const taken = readResult(answer, call)
      if (taken?.kind === 'answer' && taken.value.kind === 'value') call.onOpening(taken.value.opening)
      return taken
    },
    timing: callTiming,
    deadlineMs: endsAtMs,
    signal,
    resent,
    tally,
  })
}

function endingOf(called: Called): Ending {
  switch (called.kind) {
    case 'value':
      return {}
    case 'failed':
      return { failure: called.reason }
    case 'busy':
      return { failure: otherRun }
  }
}

/** What an answer means for a call; undefined when it answers another one, or tells of another opening. */
function readResult(answer: Answer, call: Pick<OneCall, 'id' | 'n' | 'branch' | 'operation'>): Taken<Called> {
  const { participant } = call.branch
  if (answer.type === 'failure') {
    const reason = { code: answer.code, message: answer.message, retryable: false, participant }
    return { kind: 'answer', value: { kind: 'failed', reason } }
  }
  if (answer.type !== 'result' || answer.id !== call.id || answer.n !== call.n) return undefined
  switch (answer.result.kind) {
    case 'value':
      return readValue(answer, answer.result, call)
    case 'refused':
      return { kind: 'answer', value: { kind: 'failed', reason: { ...answer.result.reason, participant } } }
    case 'busy':
      return { kind: 'answer', value: { kind: 'busy' } }
  }
}

function readValue(
  { instance, token }: CallResult,
  { value }: Extract<CallResult['result'], { kind: 'value' }>,
  { branch, operation }: Pick<OneCall, 'branch' | 'operation'>,
): Taken<Called> {
  const { participant, opening } = branch
  if (token === undefined) return undefined
  // A value of another opening tells nothing of the branch that we hold.
  if (opening !== undefined && (opening.token !== token || opening.instance !== instance)) return undefined
  try {
    const decoded = decodePayload(value, `The value of ${participant}.${operation.name}`)
    return { kind: 'answer', value: { kind: 'value', value: decoded, opening: { instance, token } } }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    const reason = { code: error.code, message: error.message, retryable: false, participant }
    return { kind: 'answer', value: { kind: 'failed', reason } }
  }
}

function unanswered({ branch, operation }: OneCall, why: 'no-answer' | 'unreachable' | 'cancelled'): Reason {
  const { participant, opening } = branch
  const what = `${participant}.${operation.name}`
  if (why === 'unreachable') {
    return opening === undefined
      ? {
          code: reasonCodes.unreachable,
          message: `Nobody serves ${participant} just now.`,
          retryable: true,
          participant,
        }
      : {
          code: reasonCodes.instanceGone,
          message: `The instance of ${participant} that held the branch is gone, and the branch with it.`,
          retryable: true,
          participant,
        }
  }
  const message =
    why === 'cancelled' ? `The call of ${what} was given up.` : `The budget was spent before ${what} answered.`
  const code = why === 'cancelled' ? reasonCodes.clientAborted : reasonCodes.budgetSpent
  return { code, message, retryable: true, participant }
}
