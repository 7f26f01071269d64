import { isDeepStrictEqual } from 'node:util'
import type { Fault } from './fault.ts'
import { type Baseline, judgeRuns } from './judge.ts'
import type { Observed } from './observed.ts'
import { difference, faults, type Subject, show } from './sentence.ts'

/** Code of `@verdict/postgres` for a statement that would end the transaction. */
const misused = 'branch-misused'
const unplainCodes: ReadonlySet<string> = new Set(['bad-payload', 'payload-too-large'])

export interface Trials {
  readonly subject: Subject
  readonly budgetMs: number
  /** The picture after each of two resets. */
  readonly before: readonly [unknown, unknown]
  /** The example committed with no crash, on each of them, in lives of their own. */
  readonly seen: readonly [Observed, Observed]
}

/** Why no crash can be tried: the example does not even do its work when nothing goes wrong. */
export function judgeTrials(trials: Trials): Fault | undefined {
  const { subject, before, seen } = trials
  const [first, second] = seen
  if (!isDeepStrictEqual(before[0], before[1])) return faults.unsteady(subject, difference(before[0], before[1]))
  const fault = judgeRuns(first, trials) ?? judgeRefusal(first, trials) ?? judgeValue(first, subject)
  if (fault !== undefined) return fault
  if (first.isLocked) return faults.locked(subject, 'With no crash at all')
  if (!isDeepStrictEqual(first.state, second.state)) {
    return faults.varies(subject, difference(first.state, second.state))
  }
  return isDeepStrictEqual(first.state, before[0]) ? faults.unseen(subject) : undefined
}

/** What the other points are compared with. */
export function baselineOf({ subject, budgetMs, before, seen: [first, second] }: Trials): Baseline {
  const isSame = isDeepStrictEqual(first.called, second.called)
  return {
    subject,
    budgetMs,
    before: before[0],
    after: first.state,
    called: isSame ? first.called : undefined,
    second: first.again?.called.kind === 'value' ? first.again.state : undefined,
  }
}

/** A result that is something else each time, though the data is the same. */
export function judgeResult({ subject, seen: [first, second] }: Trials): Fault | undefined {
  if (isDeepStrictEqual(first.called, second.called)) return undefined
  return faults.varies(subject, difference(first.called, second.called))
}

function judgeRefusal({ called, runs, state }: Observed, { subject, before }: Trials): Fault | undefined {
  if (runs.some(({ statements }) => statements.some(({ error }) => isMisuse(error)))) {
    return faults.ended(subject, 'A statement that would end the transaction was refused.')
  }
  if (called === undefined || called.kind === 'value') return undefined
  const why = called.kind === 'refused' ? `${called.reason.code}, ${called.reason.message}` : called.kind
  if (called.kind === 'refused' && unplainCodes.has(called.reason.code)) return faults.unplain(subject, why)
  if (isDeepStrictEqual(state, before[0])) return faults.refused(subject, why)
  const isDone = runs.every(({ end }) => end?.failed === false)
  return isDone ? faults.ended(subject, why) : faults.left(subject, 'When it is refused', difference(before[0], state))
}

/** Data that travels without an error and yet arrives as something else. */
function judgeValue({ called, runs }: Observed, subject: Subject): Fault | undefined {
  const returned = runs[0]?.end?.result
  if (called?.kind !== 'value' || isDeepStrictEqual(called.value, returned)) return undefined
  return faults.unplain(subject, `returned ${show(returned)}, arrived as ${show(called.value)}`)
}

function isMisuse(error: unknown): boolean {
  return typeof error === 'object' && error !== null && Reflect.get(error, 'code') === misused
}
