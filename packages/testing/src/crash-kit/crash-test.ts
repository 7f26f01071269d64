import type { CrashTest, Example, TestedParticipant } from './example.ts'
import type { Fault } from './fault.ts'
import { judge } from './judge.ts'
import { baselineOf, judgeResult, judgeTrial, judgeTrials, type Trial, type Trials } from './judge-trial.ts'
import { play } from './play.ts'
import { maxStatements, pointsOf, trial } from './point.ts'
import { type CrashLine, CrashReport } from './report.ts'
import { Stage } from './stage.ts'

/**
 * Runs one example call of a participant through every crash point of the protocol, in this process and within seconds: dies
 * before it, in the middle of it and after it, around its vote, its outcome and its acknowledgement; aborts it, doubles it, runs it
 * again. After each it compares the data with what must be there. Give the report's `assert()` to any test runner.
 *
 * ```ts
 * const report = await crashTest({ define, call: { operation: 'charge', input }, reset, state })
 * report.assert()
 * ```
 *
 * @throws whatever `define`, `reset`, `state` or the participant's resource throw.
 */
export async function crashTest<P extends TestedParticipant>(test: CrashTest<P>): Promise<CrashReport> {
  const { name } = test.define()
  const { operation } = test.call
  const accepted = test.accept ?? []
  await using stage = new Stage(test, name)
  const hindered = (fault: Fault): CrashReport =>
    new CrashReport(name, operation, [{ point: `${trial.title}; nothing else was tried`, fault }], [])

  const first = await tryOut(stage, test)
  const fault = judgeTrial(first)
  if (fault !== undefined) return hindered(fault)
  const trials = { ...first, repeated: await play(stage, trial) }
  const hindrance = judgeTrials(trials)
  // A call that writes nothing can be meant so; all else there is nothing to compare with.
  if (hindrance !== undefined && !(hindrance.kind === 'unseen' && accepted.includes('unseen'))) {
    return hindered(hindrance)
  }
  return new CrashReport(name, operation, await playAll(stage, trials), accepted)
}

async function tryOut(stage: Stage, test: Example): Promise<Trial> {
  const begin = async (): Promise<unknown> => {
    await stage.begin()
    return stage.state()
  }
  const before = [await begin(), await begin()] as const
  const seen = await play(stage, trial)
  const [session = 'the session'] = seen.runs[0]?.session ?? []
  const subject = { operation: test.call.operation, session: `the \`${session}\`` }
  return { subject, budgetMs: stage.budgetMs, before, seen }
}

async function playAll(stage: Stage, trials: Trials): Promise<readonly CrashLine[]> {
  const baseline = baselineOf(trials)
  const { seen } = trials
  const quiet = judgeResult(trials) ?? judge(trial, { ...seen, again: undefined }, baseline)
  const lines = [lineOf(trial.title, quiet)]
  const statements = seen.runs[0]?.statements.map(({ text }) => text) ?? []
  for (const point of pointsOf(statements)) {
    const observed = await play(stage, point, baseline.before)
    const title = observed.isReached ? point.title : `${point.title} (not reached)`
    lines.push(lineOf(title, judge(point, observed, baseline)))
  }
  const left = statements.length - maxStatements
  return left > 0 ? [...lines, { point: `statements after the first ${maxStatements}: not tried (${left})` }] : lines
}

function lineOf(point: string, fault: CrashLine['fault']): CrashLine {
  return fault === undefined ? { point } : { point, fault }
}
