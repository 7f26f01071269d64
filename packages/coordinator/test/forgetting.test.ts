import { type DecisionRecord, isOpen, type TransactionId } from '@verdict/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command } from '../src/command.ts'
import { epochOf, horizonOf, isMoreToForget, maxForgottenPerEntry } from '../src/forgetting.ts'
import { hazardousCount, recordOf, unsettledCount } from '../src/records.ts'
import { commands, Log, numbered, numbers } from './log.ts'
import { decision, id, p } from './samples.ts'

const keptEpochs = 3

/** Moves the epoch so far that the first one lies behind the horizon. */
function passFirstEpoch(log: Log): readonly TransactionId[] {
  return Array.from({ length: keptEpochs }).flatMap(() => forgotten(log))
}

/** Whether somebody may still depend on a record: a commit's branch that nobody has seen end, or a hazard that nobody has dealt with. */
function isNeeded({ outcome, settled, hazards }: DecisionRecord): boolean {
  const isUnseen = !settled || hazards.some(({ kind }) => kind === 'never-acknowledged')
  return hazards.some(isOpen) || (outcome === 'committed' && isUnseen)
}

function forgotten(log: Log): readonly TransactionId[] {
  const applied = log.advance(keptEpochs)
  if (applied.kind !== 'forgotten') throw new Error(`an advance was applied as ${applied.kind}`)
  return applied.ids
}

describe('R11: epoch and horizon', () => {
  test('begin at 1 and 0; each advance moves the epoch by one, and the horizon follows so many epochs behind', () => {
    const log = new Log()
    const positions = [1, 2, 3, 4, 5].map(() => {
      const at = [epochOf(log.space), horizonOf(log.space)]
      log.advance(keptEpochs)
      return at
    })
    expect(positions).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 1],
      [5, 2],
    ])
  })

  test('the horizon never goes back, even when a leader keeps more epochs than the one before', () => {
    const log = new Log()
    for (let times = 0; times < 5; times += 1) log.advance(3)
    const before = horizonOf(log.space)
    log.advance(1_000)
    expect([before, horizonOf(log.space)]).toEqual([3, 3])
  })
})

test('R11: an advance of an older log, which does not say what is kept, moves the epoch alone', () => {
  const log = new Log()
  for (let times = 0; times < 5; times += 1) log.apply({ kind: 'advance' } as Command)
  expect([epochOf(log.space), horizonOf(log.space)]).toEqual([6, 0])
})

describe('R11: behind the horizon', () => {
  test('what is settled or aborted goes with the advance that brings the horizon there, and not before', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.apply({ kind: 'settled', ids: [id(1)] })
    log.decide(decision(id(2), 'aborted'))
    expect([forgotten(log), forgotten(log)]).toEqual([[], []])
    expect(recordOf(log.space, id(1))).toBeDefined()
    expect(new Set(forgotten(log))).toEqual(new Set([id(1), id(2)]))
    expect([recordOf(log.space, id(1)), recordOf(log.space, id(2))]).toEqual([undefined, undefined])
    expect(unsettledCount(log.space, 10)).toBe(0)
  })

  test('nothing is left of it: the space is as if it had never been', () => {
    const [log, untouched] = [new Log(), new Log()]
    log.decide(decision(id(1), 'committed'))
    log.apply({ kind: 'settled', ids: [id(1)] })
    log.decide(decision(id(2), 'aborted'))
    for (const one of [log, untouched]) passFirstEpoch(one)
    expect(log.space.hash()).toBe(untouched.space.hash())
  })

  test('an unsettled commit stays, alone, and goes once it is settled', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.decide(decision(id(2), 'committed'))
    log.apply({ kind: 'settled', ids: [id(2)] })
    expect(passFirstEpoch(log)).toEqual([id(2)])
    expect(recordOf(log.space, id(1))).toMatchObject({ outcome: 'committed', settled: false })
    expect(isMoreToForget(log.space)).toBe(false)
    log.apply({ kind: 'settled', ids: [id(1)] })
    expect(isMoreToForget(log.space)).toBe(true)
    expect(log.apply({ kind: 'forget' })).toEqual({ kind: 'forgotten', ids: [id(1)] })
    expect(recordOf(log.space, id(1))).toBeUndefined()
  })

  test.each([
    ['committed', 'effects-lost'],
    ['aborted', 'aborted-met-committed'],
  ] as const)('a hazard keeps %s, even when it was settled before', (outcome, hazard) => {
    const log = new Log()
    log.decide(decision(id(1), outcome))
    if (outcome === 'aborted') log.apply({ kind: 'settled', ids: [id(1)] })
    log.hazard(id(1), hazard)
    log.apply({ kind: 'settled', ids: [id(1)] })
    expect(passFirstEpoch(log)).toEqual([])
    expect(recordOf(log.space, id(1))).toMatchObject({ outcome, hazards: [{ participant: p }] })
    expect(hazardousCount(log.space, 10)).toBe(1)
  })

  test('a decision that comes late makes no second record of what was forgotten', () => {
    const log = new Log()
    log.decide(decision(id(1), 'aborted'))
    passFirstEpoch(log)
    expect(log.decide(decision(id(1), 'committed'))).toEqual({ kind: 'expired' })
    expect(recordOf(log.space, id(1))).toBeUndefined()
  })

  test('one entry forgets a bounded number, the oldest epochs first; later ones forget the rest', () => {
    const log = new Log()
    const many = maxForgottenPerEntry + 10
    log.advance(keptEpochs)
    for (let number = 1; number <= many; number += 1) log.decide(decision(id(number, { epoch: 2 }), 'aborted'))
    log.decide(decision(id(many + 1, { epoch: 1 }), 'aborted'))
    for (let times = 0; times < keptEpochs - 2; times += 1) expect(forgotten(log)).toEqual([])
    expect(forgotten(log)).toEqual([id(many + 1)])
    expect(forgotten(log)).toHaveLength(maxForgottenPerEntry)
    expect(isMoreToForget(log.space)).toBe(true)
    expect(log.apply({ kind: 'forget' })).toMatchObject({ ids: { length: 10 } })
    expect(isMoreToForget(log.space)).toBe(false)
  })
})

describe('R11: in every log', () => {
  const everyRecord = (log: Log) =>
    numbers.flatMap((number) => {
      const record = recordOf(log.space, numbered(number))
      return record === undefined ? [] : [record]
    })

  test('a record goes only behind the horizon, and a committed one only once it is settled, without an open hazard', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 60 }), (commandsOfLog) => {
        const log = new Log()
        for (const command of commandsOfLog) {
          const before = everyRecord(log)
          const horizon = horizonOf(log.space)
          log.apply(command)
          expect(horizonOf(log.space)).toBeGreaterThanOrEqual(horizon)
          for (const record of before) {
            if (recordOf(log.space, record.id) !== undefined) continue
            expect(epochIn(record.id)).toBeLessThanOrEqual(horizonOf(log.space))
            expect(isNeeded(record)).toBe(false)
          }
        }
      }),
    )
  })

  test('whatever may go has gone once forgetting has caught up', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 60 }), (commandsOfLog) => {
        const log = new Log()
        for (const command of commandsOfLog) log.apply(command)
        log.apply({ kind: 'forget' })
        expect(isMoreToForget(log.space)).toBe(false)
        const behind = everyRecord(log).filter((record) => epochIn(record.id) <= horizonOf(log.space))
        for (const record of behind) expect(isNeeded(record)).toBe(true)
      }),
    )
  })
})

function epochIn(of: TransactionId): number {
  return numbers.map(numbered).indexOf(of) % 2 === 0 ? 2 : 1
}
