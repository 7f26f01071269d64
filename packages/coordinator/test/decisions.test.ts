import { type DecidedBranch, type Decision, isOpen, type TransactionId } from '@verdict/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { horizonOf } from '../src/forgetting.ts'
import { lookUp } from '../src/inquiry.ts'
import { hazardous, hazardousCount, recordOf, unsettled, unsettledCount } from '../src/records.ts'
import { commands, ids, Log, numbered, numbers } from './log.ts'
import { calledList, decision, id, p, q, s } from './samples.ts'

const packedHorizon = (horizon: number): Uint8Array => Uint8Array.of(horizon)

function withBranches(over: Decision, vote: DecidedBranch['vote']): Decision {
  return { ...over, branches: over.branches.map((branch, place) => (place === 1 ? { ...branch, vote } : branch)) }
}

describe('R1: the first decision applied for an id is its record', () => {
  test.each([
    ['committed', 'aborted'],
    ['aborted', 'committed'],
  ] as const)('%s stands when %s is applied later, and is what the later proposer is told', (first, second) => {
    const log = new Log()
    const recorded = log.decide(decision(id(1), first))
    const hash = log.space.hash()
    expect(log.decide(decision(id(1), second))).toEqual(recorded)
    expect(recorded).toMatchObject({ kind: 'recorded', record: { outcome: first } })
    expect(log.space.hash()).toBe(hash)
  })

  test('a record that is there stands, even behind the horizon', () => {
    const log = new Log()
    const recorded = log.decide(decision(id(1), 'committed'))
    log.space.put('group/horizon', packedHorizon(1))
    expect(log.decide(decision(id(1), 'aborted'))).toEqual(recorded)
  })

  test('nothing is recorded at or behind the horizon: the answer is expired, whatever was proposed', () => {
    const log = new Log()
    log.space.put('group/horizon', packedHorizon(1))
    const hash = log.space.hash()
    expect(log.decide(decision(id(1), 'committed'))).toEqual({ kind: 'expired' })
    expect(log.decide(withBranches(decision(id(2), 'committed'), 'refused'))).toEqual({ kind: 'expired' })
    expect(log.space.hash()).toBe(hash)
  })

  test.each(['committed', 'aborted'] as const)(
    '%s of an epoch that the group has not reached is malformed',
    (outcome) => {
      const log = new Log()
      expect(log.decide(decision(id(1, { epoch: 2 }), outcome))).toMatchObject({ kind: 'malformed' })
      log.advance()
      expect(log.decide(decision(id(1, { epoch: 2 }), outcome))).toMatchObject({ kind: 'recorded' })
    },
  )

  test.each(['refused', 'unknown'] as const)('committed with a branch that voted %s is malformed', (vote) => {
    const log = new Log()
    const hash = log.space.hash()
    expect(log.decide(withBranches(decision(id(1), 'committed'), vote))).toMatchObject({ kind: 'malformed' })
    expect(log.space.hash()).toBe(hash)
  })

  test('committed with a prepared branch whose opening is not known is malformed', () => {
    const whole = decision(id(1), 'committed')
    const branches: DecidedBranch[] = [{ participant: p, vote: 'prepared' }, ...whole.branches.slice(1)]
    expect(new Log().decide({ ...whole, branches })).toMatchObject({ kind: 'malformed' })
  })

  test.each(['committed', 'aborted'] as const)('%s without any branch is malformed', (outcome) => {
    expect(new Log().decide({ ...decision(id(1), outcome), branches: [] })).toMatchObject({ kind: 'malformed' })
  })
})

describe('settling', () => {
  test('a record with a branch to tell is unsettled until a settled entry names it (R10)', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.decide(decision(id(2), 'aborted'))
    expect(log.unsettledIds()).toEqual([id(1), id(2)])
    expect(unsettledCount(log.space, 10)).toBe(2)
    log.apply({ kind: 'settled', ids: [id(1), id(2), id(3)] })
    expect(log.unsettledIds()).toEqual([])
    expect(recordOf(log.space, id(1))).toMatchObject({ outcome: 'committed', settled: true })
  })

  test('one branch is malformed, whoever proposes it, but under an id that the caller keeps (R9)', () => {
    const log = new Log()
    for (const outcome of ['committed', 'aborted'] as const) {
      expect(log.decide(decision(id(1), outcome, calledList(p)))).toMatchObject({ kind: 'malformed' })
      const kept = id(outcome === 'committed' ? 2 : 3, { mark: 'kept' })
      expect(log.decide(decision(kept, outcome, calledList(p)))).toMatchObject({ kind: 'recorded' })
    }
    const holder = { kind: 'holder', participant: p } as const
    expect(log.decide({ ...decision(id(1), 'committed', calledList(p)), actor: holder })).toMatchObject({
      kind: 'malformed',
    })
    expect(recordOf(log.space, id(1))).toBeUndefined()
  })

  test('the abort of a holder whose list was lost names that one alone, and is recorded (R6)', () => {
    const log = new Log()
    const aborted = { ...decision(id(1), 'aborted', calledList(p)), actor: { kind: 'holder', participant: p } as const }
    expect(log.decide(aborted)).toMatchObject({ kind: 'recorded' })
  })

  test('a record whose branches all ended by their own vote is settled at once', () => {
    const log = new Log()
    const only = calledList(p, q)
    const allRead = decision(id(1), 'committed', only)
    log.decide({ ...allRead, branches: allRead.branches.map((branch) => ({ ...branch, vote: 'read-only' })) })
    const allRefused = decision(id(2), 'aborted', only)
    log.decide({ ...allRefused, branches: allRefused.branches.map((branch) => ({ ...branch, vote: 'refused' })) })
    expect(log.unsettledIds()).toEqual([])
  })

  test('unsettled records come oldest first, page by page', () => {
    const log = new Log()
    for (const number of [5, 3, 9, 1]) log.decide(decision(id(number), 'committed'))
    const first = unsettled(log.space, 3)
    expect(first.records.map((record) => record.id)).toEqual([id(5), id(3), id(9)])
    const second = unsettled(log.space, 3, first.last)
    expect(second.records.map((record) => record.id)).toEqual([id(1)])
    expect(unsettled(log.space, 3, second.last)).toEqual({ records: [], last: undefined })
  })
})

describe('R16: hazards', () => {
  test('a hazard keeps a committed record unsettled, whatever is acknowledged later', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    expect(log.hazard(id(1), 'effects-lost')).toMatchObject({
      kind: 'recorded',
      record: {
        outcome: 'committed',
        settled: false,
        hazards: [{ participant: p, kind: 'effects-lost', note: 'seen' }],
      },
    })
    log.apply({ kind: 'settled', ids: [id(1)] })
    expect(log.unsettledIds()).toEqual([id(1)])
    expect(hazardousCount(log.space, 10)).toBe(1)
  })

  test('an aborted record that met a committed row becomes unsettled again', () => {
    const log = new Log()
    log.decide(decision(id(1), 'aborted'))
    log.apply({ kind: 'settled', ids: [id(1)] })
    log.hazard(id(1), 'aborted-met-committed')
    expect(recordOf(log.space, id(1))).toMatchObject({ outcome: 'aborted', settled: false })
    expect(log.unsettledIds()).toEqual([id(1)])
  })

  test.each([
    ['a settled commit', 'committed', true, 'effects-lost', p],
    ['an abort, when nothing was committed', 'aborted', false, 'effects-lost', p],
    ['a branch that is not listed', 'committed', false, 'effects-lost', s],
  ] as const)('a report against %s changes nothing', (_, outcome, settled, hazard, participant) => {
    const log = new Log()
    log.decide(decision(id(1), outcome))
    if (settled) log.apply({ kind: 'settled', ids: [id(1)] })
    const hash = log.space.hash()
    log.hazard(id(1), hazard, participant)
    expect(log.space.hash()).toBe(hash)
  })

  test('the same report twice is one hazard; a hazard of an unknown transaction is none', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.hazard(id(1), 'effects-lost')
    const hash = log.space.hash()
    log.hazard(id(1), 'effects-lost')
    expect(log.hazard(id(2), 'effects-lost')).toEqual({ kind: 'done' })
    expect(log.space.hash()).toBe(hash)
  })
})

describe('for every log', () => {
  test('two replicas that apply it hold the same space and are told the same', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 40 }), (log) => {
        const [one, two] = [new Log(), new Log()]
        for (const command of log) expect(one.apply(command)).toEqual(two.apply(command))
        expect(one.space.hash()).toBe(two.space.hash())
      }),
    )
  })

  test('what was told of an id once is told for ever, and the record never changes but in settled and hazards', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 60 }), (commandsOfLog) => {
        const log = new Log()
        const told = new Map<TransactionId, string>()
        for (const command of commandsOfLog) {
          const applied = log.apply(command)
          if (applied.kind !== 'recorded') continue
          const { settled: _, hazards: __, ...fixed } = applied.record
          const text = JSON.stringify(fixed)
          expect(told.get(applied.record.id) ?? text).toBe(text)
          told.set(applied.record.id, text)
        }
      }),
    )
  })

  test('a committed record has a good vote with its opening for every branch', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 40 }), (commandsOfLog) => {
        const log = new Log()
        for (const command of commandsOfLog) log.apply(command)
        for (const number of numbers) {
          const record = recordOf(log.space, numbered(number))
          if (record?.outcome !== 'committed') continue
          for (const { vote, token } of record.branches)
            expect([vote, typeof token]).toEqual([expect.stringMatching(/^(prepared|read-only)$/), 'string'])
        }
      }),
    )
  })

  test('the index of unsettled records is exactly the records that are not settled', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 40 }), (commandsOfLog) => {
        const log = new Log()
        for (const command of commandsOfLog) log.apply(command)
        const all = numbers.map((number) => recordOf(log.space, numbered(number)))
        const open = all.filter((record) => record !== undefined && !record.settled).map((record) => record?.id)
        expect(new Set(log.unsettledIds())).toEqual(new Set(open))
        for (const record of all) if (record?.hazards.some(isOpen)) expect(record.settled).toBe(false)
        const alarming = all.filter((record) => record?.hazards.some(isOpen)).map((record) => record?.id)
        expect(new Set(hazardous(log.space, 9).map((record) => record.id))).toEqual(new Set(alarming))
      }),
    )
  })

  test('a look leaves the space as it was (R3)', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 20 }), ids, (commandsOfLog, of) => {
        const log = new Log()
        for (const command of commandsOfLog) log.apply(command)
        const hash = log.space.hash()
        lookUp(recordOf(log.space, of), horizonOf(log.space), of)
        unsettled(log.space, 10)
        expect(log.space.hash()).toBe(hash)
      }),
    )
  })
})
