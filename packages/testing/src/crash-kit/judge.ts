import { isDeepStrictEqual } from 'node:util'
import type { Fault } from './fault.ts'
import type { Observed } from './observed.ts'
import type { Point } from './point.ts'
import { unawaited } from './run.ts'
import { difference, faults, type Subject } from './sentence.ts'
import type { Called } from './stage.ts'

/** What the example does when nothing goes wrong. */
export interface Baseline {
  readonly subject: Subject
  readonly budgetMs: number
  readonly before: unknown
  readonly after: unknown
  /** What the call is answered; undefined when it is something else each time. */
  readonly called: Called | undefined
  /** The picture after a second run of the same call behind the first; undefined when it is refused. */
  readonly second: unknown
}

/** What is wrong with what was seen at one point; undefined when it is as it must be. */
export function judge(point: Point, seen: Observed, baseline: Baseline): Fault | undefined {
  return (
    judgeRuns(seen, baseline) ??
    judgeState(point, seen, baseline) ??
    judgeAgain(point, seen, baseline) ??
    judgeNetwork(seen, baseline)
  )
}

/** What the runs themselves show, whatever came of them. */
export function judgeRuns(
  { runs, called }: Observed,
  { subject, budgetMs }: Pick<Baseline, 'subject' | 'budgetMs'>,
): Fault | undefined {
  for (const run of runs) {
    const statement = unawaited(run)
    if (statement !== undefined) return faults.unawaited(subject, statement.text)
  }
  if (called?.kind !== 'stuck') return undefined
  const { waitsFor } = called
  const what = waitsFor === undefined ? 'something else than its statements' : `a statement (${waitsFor})`
  return faults.slow(subject, budgetMs, what)
}

function judgeNetwork({ runs }: Observed, { subject }: Pick<Baseline, 'subject'>): Fault | undefined {
  const [begun] = runs.flatMap(({ network }) => [...network])
  return begun === undefined ? undefined : faults.network(subject, begun)
}

function judgeState(point: Point, seen: Observed, baseline: Baseline): Fault | undefined {
  const { subject, before, after } = baseline
  const early = seen.early.filter((picture) => !isDeepStrictEqual(picture, before))
  const isEarly = early.length > 0
  if (point.kind === 'at-once') return judgeRace(seen, baseline)
  if (seen.outcome !== 'committed') {
    if (isDeepStrictEqual(seen.state, before))
      return isEarly ? faults.early(subject, difference(before, early[0])) : undefined
    return faults.left(subject, point.when, difference(before, seen.state))
  }
  const isSame = isDeepStrictEqual(seen.state, after)
  if (isSame && isEarly) return faults.early(subject, difference(before, early[0]))
  const isAnswer =
    isSame && (seen.called === undefined || isDeepStrictEqual(seen.called, baseline.called ?? seen.called))
  if (isAnswer) return undefined
  const found = isSame ? difference(baseline.called, seen.called) : difference(after, seen.state)
  if (point.kind === 'failing') {
    const text = seen.runs[0]?.statements[point.statement - 1]?.text ?? ''
    return faults.swallowed(subject, point.when, text, found)
  }
  // What writes outside shows by what an abort leaves; where nothing was left, an earlier run has changed something else.
  if (seen.runs.length > 1) return faults.memory(subject, found)
  if (isSame) return faults.varies(subject, found)
  return faults.notOnce(subject, point.when, found)
}

function judgeRace(seen: Observed, { subject, before, after, second }: Baseline): Fault | undefined {
  const expected = seen.outcome !== 'committed' ? before : seen.again === undefined ? after : second
  return isDeepStrictEqual(seen.state, expected) ? undefined : faults.race(subject, difference(expected, seen.state))
}

function judgeAgain(point: Point, seen: Observed, { subject, after, called }: Baseline): Fault | undefined {
  if (seen.isLocked) return faults.locked(subject, point.when)
  if (seen.again === undefined || point.kind === 'at-once') return undefined
  if (!isDeepStrictEqual(seen.again.state, after)) return faults.memory(subject, difference(after, seen.again.state))
  if (called === undefined || isDeepStrictEqual(seen.again.called, called)) return undefined
  return faults.memory(subject, difference(called, seen.again.called))
}
