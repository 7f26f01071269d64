import { type CrashTest, defaultBudgetMs, type Example, type TestedParticipant } from './example.ts'
import { type Baseline, judge } from './judge.ts'
import { baselineOf, judgeResult, judgeTrials, type Trials } from './judge-trial.ts'
import type { Observed } from './observed.ts'
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
  const participant = test.define().name
  const { operation } = test.call
  await using stage = new Stage(test, participant)
  const trials = await tryOut(stage, test)
  const report = (lines: readonly CrashLine[]): CrashReport =>
    new CrashReport(participant, operation, lines, test.accept ?? [])

  const hindrance = judgeTrials(trials)
  if (hindrance !== undefined && !test.accept?.includes(hindrance.kind)) {
    return report([{ point: `${trial.title} (nothing else was tried)`, fault: hindrance }])
  }
  const baseline = baselineOf(trials)
  const [seen] = trials.seen
  const first = lineOf(trial.title, judgeResult(trials) ?? judge(trial, { ...seen, again: undefined }, baseline))
  return report([first, ...(await playAll(stage, statementsOf(seen), baseline))])
}

async function tryOut(stage: Stage, test: Example): Promise<Trials> {
  const begin = async (): Promise<unknown> => {
    await stage.begin()
    return stage.state()
  }
  const before = [await begin(), await begin()] as const
  const seen = [await play(stage, trial), await play(stage, trial)] as const
  const [name = 'the session'] = seen[0].runs[0]?.session ?? []
  const subject = { operation: test.call.operation, session: `the \`${name}\`` }
  return { subject, budgetMs: test.budgetMs ?? defaultBudgetMs, before, seen }
}

async function playAll(stage: Stage, statements: readonly string[], baseline: Baseline): Promise<readonly CrashLine[]> {
  const lines: CrashLine[] = []
  for (const point of pointsOf(statements)) {
    const seen = await play(stage, point, baseline.before)
    lines.push(lineOf(point.title, judge(point, seen, baseline)))
  }
  const left = statements.length - maxStatements
  return left > 0 ? [...lines, { point: `statements after the first ${maxStatements}: not tried (${left})` }] : lines
}

function statementsOf({ runs }: Observed): readonly string[] {
  return runs[0]?.statements.map(({ text }) => text) ?? []
}

function lineOf(point: string, fault: CrashLine['fault']): CrashLine {
  return fault === undefined ? { point } : { point, fault }
}
