import {
  type BranchList,
  type Commit,
  type Decided,
  type Digest,
  digestOf,
  type ListedBranch,
  type Operation,
  type Payload,
  parseId,
  type TransactionId,
} from '@verdict/protocol'
import { coordinatorService, methods } from '@verdict/protocol/telemetry'
import { askAlone, type LoneSealed, loneBranch } from './alone.ts'
import { type Conclusion, readDecided, readFound } from './answer.ts'
import { ask } from './ask.ts'
import type { Tally } from './cost.ts'
import type { Ending } from './ending.ts'
import { CommittedWithHazards, InDoubt, TransactionAborted } from './errors.ts'
import type { Group, Line } from './group.ts'
import { type LookRequest, look, whyUnanswered } from './look.ts'
import { graceMs } from './options.ts'
import { type Receipt, receiptOf } from './receipt.ts'
import type { ResendTiming } from './resend.ts'
import type { TracedCall } from './telemetry.ts'

/** A new leader is elected within seconds and hears only what is sent to it, so that silence is short-lived. */
const commitTiming: ResendTiming = { resendMs: 500, maxResendMs: 2_000, unreachableMs: 50, patienceMs: Infinity }

/** A sealed transaction whose commit is asked for. */
export interface Sealed {
  readonly id: TransactionId
  readonly list: BranchList
  /** The operations of each branch in the list's order, for a one-shot. */
  readonly operations?: readonly (readonly Operation[])[]
  readonly wait: 'decided' | 'applied'
  readonly endsAtMs: number
  readonly signal: AbortSignal | undefined
  readonly tally: Tally
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
 * Asks for the commit until it is told what was decided: the group, or the one participant of a lone transaction itself (rule R9).
 * @throws TransactionAborted, InDoubt, CommittedWithHazards
 */
export async function commit(line: Line, group: Group, sealed: Sealed): Promise<Committed> {
  const { id, list, signal, tally } = sealed
  const digest = digestOf(id, list)
  const kept = parseId(id).mark === 'kept'
  const branch = loneBranch(id, list)
  const conclusion =
    branch === undefined
      ? await askGroup(line, group, { ...sealed, digest })
      : await askParticipant(line, branch, { operations: undefined, ...sealed, digest })
  switch (conclusion.kind) {
    case 'committed': {
      const { path, applied, results, spent } = conclusion
      const participants = list.map(({ participant }) => participant)
      const cost = tally.cost(spent)
      return { replayed: false, receipt: { id, path, participants, digest, applied, cost }, results }
    }
    case 'hazards':
      throw new CommittedWithHazards(id, conclusion.hazards)
    case 'aborted':
      throw new TransactionAborted(id, conclusion.reason, true)
    case 'expired':
      throw new InDoubt(id, 'nothing of its time is recorded any more', { kept, expired: true })
    case 'unusable': {
      const why = `the commit was not taken (${conclusion.reason.message})`
      throw new InDoubt(id, why, { kept, ...(branch && { lone: list }) })
    }
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

function askGroup(line: Line, group: Group, sealed: Sealed & { readonly digest: Digest }): Promise<Conclusion> {
  const site = { service: coordinatorService, method: methods.commit, id: sealed.id }
  return line.telemetry.call(site, (call) => askForCommit(line, group, sealed, call), endingOf)
}

/** Asks the participant of a lone transaction what it decides, or has decided. @throws InDoubt */
function askParticipant(line: Line, branch: ListedBranch, sealed: LoneSealed): Promise<Conclusion> {
  const site = { service: branch.participant, method: methods.alone, id: sealed.id }
  return line.telemetry.call(site, (call) => askAlone(line, branch, sealed, call), endingOf)
}

async function askForCommit(
  line: Line,
  group: Group,
  sealed: Sealed & { readonly digest: Digest },
  { trace, resent }: TracedCall,
): Promise<Conclusion> {
  const { world, inbox, subjects, owner } = line
  const { id, digest, operations, wait, endsAtMs, signal, tally } = sealed
  let partial: Conclusion | undefined
  const read = (decided: Decided): ReturnType<typeof readDecided> => {
    if (decided.id !== id) return undefined
    const reading = readDecided(decided, { digest, wait, operations })
    if (reading !== undefined) group.learn(decided.epoch)
    return reading
  }
  const asked = await ask<Conclusion>(world, inbox, {
    subject: subjects.group(group.id, owner),
    message: ({ nowMs }): Commit => ({
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
    tally,
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
