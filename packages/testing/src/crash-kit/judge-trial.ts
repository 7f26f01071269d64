import { isDeepStrictEqual } from 'node:util'
import type { Fault } from './fault.ts'
import { type Baseline, judgeRuns } from './judge.ts'
import type { Observed } from './observed.ts'
import { difference, faults, type Subject, show } from './sentence.ts'

/** Code of `@verdict/postgres` for a statement that would end the transaction. */
const misused = 'branch-misused'
const unplainCodes: ReadonlySet<string> = new Set(['bad-payload', 'payload-too-large'])

/** The example committed with no crash. */
export interface Trial {
  readonly subject: Subject
  readonly budgetMs: number
  /** The picture after each of two resets. */
  readonly before: readonly [unknown, unknown]
  readonly seen: Observed
}

/** The same once more, on fresh data and in a life of its own. */
export interface Trials extends Trial {
  readonly repeated: Observed
}

/** Why no crash can be tried: the example does not even do its work when nothing goes wrong. */
export function judgeTrial(trial: Trial): Fault | undefined {
  const { subject, before, seen } = trial
  if (!isDeepStrictEqual(before[0], before[1])) return faults.unsteady(subject, difference(before[0], before[1]))
  const fault = judgeRuns(seen, trial) ?? judgeRefusal(seen, trial) ?? judgeValue(seen, subject)
  return fault ?? (seen.isLocked ? faults.locked(subject, 'With no crash at all') : undefined)
}

/** Why nothing can be compared: it leaves something else each time, or nothing. */
export function judgeTrials({ subject, before, seen, repeated }: Trials): Fault | undefined {
  if (!isDeepStrictEqual(seen.state, repeated.state)) {
    return faults.varies(subject, difference(seen.state, repeated.state))
  }
  return isDeepStrictEqual(seen.state, before[0]) ? faults.unseen(subject) : undefined
}

/** What the other points are compared with. */
export function baselineOf({ subject, budgetMs, before, seen, repeated }: Trials): Baseline {
  const { state, called, again } = seen
  return {
    subject,
    budgetMs,
    before: before[0],
    after: state,
    called: isDeepStrictEqual(called, repeated.called) ? called : undefined,
    second: again?.called.kind === 'value' ? again.state : undefined,
  }
}

/** A result that is something else each time, though the data is the same. */
export function judgeResult({ subject, seen, repeated }: Trials): Fault | undefined {
  if (isDeepStrictEqual(seen.called, repeated.called)) return undefined
  return faults.varies(subject, difference(seen.called, repeated.called))
}

function judgeRefusal({ called, runs, state }: Observed, { subject, before }: Trial): Fault | undefined {
  if (runs.some(({ statements }) => statements.some(({ error }) => isMisuse(error)))) {
    return faults.ended(subject)
  }
  if (called === undefined || called.kind === 'value') return undefined
  const why = called.kind === 'refused' ? `${called.reason.code}, ${called.reason.message}` : called.kind
  if (called.kind === 'refused' && unplainCodes.has(called.reason.code)) return faults.unplain(subject, why)
  if (isDeepStrictEqual(state, before[0])) return faults.refused(subject, why)
  return faults.left(subject, 'When it is refused', difference(before[0], state))
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
