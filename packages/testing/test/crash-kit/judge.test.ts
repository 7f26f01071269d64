import { describe, expect, test } from 'vitest'
import { causes, type Fault, type FaultKind } from '../../src/crash-kit/fault.ts'
import { type Baseline, judge } from '../../src/crash-kit/judge.ts'
import { judgeTrial } from '../../src/crash-kit/judge-trial.ts'
import type { Observed } from '../../src/crash-kit/observed.ts'
import { type Point, pointsOf } from '../../src/crash-kit/point.ts'
import { newRun } from '../../src/crash-kit/run.ts'
import type { Called } from '../../src/crash-kit/stage.ts'

const value = (left: number): Called => ({ kind: 'value', value: { left } })

const baseline: Baseline = {
  subject: { operation: 'debit', session: 'the `sql`' },
  budgetMs: 100,
  before: [100],
  after: [70],
  called: value(70),
  second: [40],
}

const points = pointsOf(['update', 'insert'])

function pointOf(title: string): Point {
  const point = points.find((known) => known.title === title)
  if (point === undefined) throw new Error(`there is no point ${title}`)
  return point
}

const voted = pointOf('crash after the vote; committed')
const failing = pointOf('statement 1 fails (update)')
const atOnce = pointOf('two at the same time')

/** What is seen of a service that is as it must be; what is given replaces it. */
function seen(given: Partial<Observed>): Observed {
  const right = {
    runs: [],
    isReached: true,
    early: [[100]],
    outcome: 'committed',
    state: [70],
    called: value(70),
  } as const
  return { ...right, again: undefined, isLocked: false, ...given }
}

interface Case {
  readonly what: string
  readonly point: Point
  readonly given: Partial<Observed>
  readonly kind: FaultKind | undefined
}

const cases: readonly Case[] = [
  { what: 'committed, with the effect once', point: voted, given: {}, kind: undefined },
  { what: 'committed, with the effect twice', point: voted, given: { state: [40] }, kind: 'outside' },
  { what: 'committed, with no effect', point: voted, given: { state: [100] }, kind: 'outside' },
  { what: 'committed, and seen before that', point: voted, given: { early: [[100], [70]] }, kind: 'outside' },
  { what: 'committed, with another answer', point: voted, given: { called: value(71) }, kind: 'varies' },
  {
    what: 'committed after a run that died, with another effect',
    point: voted,
    given: { state: [71], runs: [newRun([]), newRun([])] },
    kind: 'memory',
  },
  { what: 'committed, with nobody to answer', point: voted, given: { called: undefined }, kind: undefined },
  { what: 'aborted, with no effect', point: voted, given: { outcome: 'aborted', state: [100] }, kind: undefined },
  { what: 'aborted, with the effect', point: voted, given: { outcome: 'aborted' }, kind: 'outside' },
  { what: 'not decided, with the effect', point: voted, given: { outcome: 'none' }, kind: 'outside' },
  {
    what: 'aborted, and seen in between',
    point: voted,
    given: { outcome: 'aborted', state: [100], early: [[70]] },
    kind: 'outside',
  },
  {
    what: 'aborted, and the next run does the same',
    point: voted,
    given: { outcome: 'aborted', state: [100], again: { called: value(70), state: [70] } },
    kind: undefined,
  },
  {
    what: 'aborted, and the next run has another effect',
    point: voted,
    given: { outcome: 'aborted', state: [100], again: { called: value(70), state: [71] } },
    kind: 'memory',
  },
  {
    what: 'aborted, and the next run has another answer',
    point: voted,
    given: { outcome: 'aborted', state: [100], again: { called: value(71), state: [70] } },
    kind: 'memory',
  },
  { what: 'a lock that is left', point: voted, given: { isLocked: true }, kind: 'locked' },
  { what: 'half of the work, after a statement failed', point: failing, given: { state: [99] }, kind: 'swallowed' },
  { what: 'all of the work, though a statement failed', point: failing, given: {}, kind: undefined },
  { what: 'another answer, after a statement failed', point: failing, given: { called: value(71) }, kind: 'swallowed' },
  { what: 'one of two', point: atOnce, given: {}, kind: undefined },
  {
    what: 'both, as one after the other',
    point: atOnce,
    given: { state: [40], again: { called: value(40), state: [40] } },
    kind: undefined,
  },
  {
    what: 'both, with one effect',
    point: atOnce,
    given: { state: [70], again: { called: value(70), state: [70] } },
    kind: 'race',
  },
]

describe('the kit judges', () => {
  test.each(cases)('$what', ({ point, given, kind }) => {
    expect(judge(point, seen(given), baseline)?.kind).toBe(kind)
  })

  test('data that `reset` does not bring back', () => {
    const { subject, budgetMs } = baseline
    const trial = { subject, budgetMs, before: [[100], [99]], seen: seen({}) } as const
    expect(judgeTrial(trial)?.kind).toBe('unsteady')
  })
})

describe('of what is found', () => {
  const found = (kind: FaultKind, sentence: string, rank = 0): Fault => ({ kind, sentence, remedy: '', rank })

  test('each cause is told once, by what tells most of it', () => {
    const told = causes([
      found('outside', 'seen early', 1),
      found('outside', 'left', 3),
      found('outside', 'left too', 3),
    ])
    expect(told.map(({ sentence }) => sentence)).toEqual(['left'])
  })

  test('what a cause explains is not told beside it', () => {
    const told = causes([found('network', ''), found('race', ''), found('outside', ''), found('unplain', '')])
    expect(told.map(({ kind }) => kind)).toEqual(['outside', 'unplain'])
  })
})
