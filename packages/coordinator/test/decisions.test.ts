import { type DecidedBranch, type Decision, isOpen, type TransactionId } from '@verdict/protocol'
import type { LogIndex } from '@verdict/raft'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Command, encodeCommand } from '../src/command.ts'
import {
  type Applied,
  decisions,
  epochOf,
  hazardous,
  hazardousCount,
  horizonOf,
  isReleased,
  recordOf,
  speaksOf,
  unsettled,
  unsettledCount,
} from '../src/decisions.ts'
import { lookUp } from '../src/inquiry.ts'
import { MemorySpace } from './memory-space.ts'
import { calledList, decision, id, otherDigest, owner, p, q, s } from './samples.ts'

const resolution = { by: 'alice', as: owner, because: 'written again by hand', atMs: 1 }
const operator = { kind: 'operator', by: 'alice', as: owner } as const

/** A replica's log of one: applies commands in order. */
class Log {
  readonly space = new MemorySpace()
  private index = 0

  apply(command: Command): Applied {
    this.index += 1
    return decisions.apply(this.space, this.index as LogIndex, encodeCommand(command))
  }

  decide(over: Decision): Applied {
    return this.apply({ kind: 'decide', decision: over })
  }

  hazard(of: TransactionId, hazard: Extract<Command, { kind: 'hazard' }>['hazard'], participant = p): Applied {
    return this.apply({ kind: 'hazard', id: of, participant, hazard, note: 'seen' })
  }

  resolve(of: TransactionId, participant = p, by = 'alice'): Applied {
    return this.apply({ kind: 'resolve', id: of, participant, resolution: { ...resolution, by } })
  }

  unsettledIds(): TransactionId[] {
    return unsettled(this.space, 100).records.map((record) => record.id)
  }
}

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
      log.apply({ kind: 'advance' })
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

describe('R16: what operators decide', () => {
  const abortOfAll = (of: TransactionId): Decision => ({
    ...decision(of, 'aborted'),
    digest: otherDigest(of),
    branches: [],
    actor: operator,
  })

  test.each(['committed', 'aborted'] as const)('an abort loses against a record that says %s', (outcome) => {
    const log = new Log()
    const standing = log.decide(decision(id(1), outcome))
    const hash = log.space.hash()
    expect(log.decide({ ...decision(id(1), 'aborted'), actor: operator })).toEqual(standing)
    expect(log.space.hash()).toBe(hash)
  })

  test('an abort that names no branch is of every list, and settled at once', () => {
    const log = new Log()
    const kept = id(1, { mark: 'kept' })
    const applied = log.decide(abortOfAll(kept))
    expect(applied).toMatchObject({ kind: 'recorded', record: { outcome: 'aborted', settled: true, actor: operator } })
    const record = recordOf(log.space, kept)
    expect(record && speaksOf(record, decision(kept, 'committed').digest)).toBe(true)
    expect(log.decide(decision(kept, 'committed'))).toEqual(applied)
  })

  test('but only of a kept id: any other may be decided without the group', () => {
    expect(new Log().decide(abortOfAll(id(1)))).toMatchObject({ kind: 'malformed' })
  })

  test('and only by an operator, and never a commit', () => {
    const kept = id(1, { mark: 'kept' })
    const byOwner: Decision = { ...abortOfAll(kept), actor: { kind: 'owner' } }
    expect(new Log().decide(byOwner)).toMatchObject({ kind: 'malformed' })
    expect(new Log().decide({ ...abortOfAll(kept), outcome: 'committed' })).toMatchObject({ kind: 'malformed' })
  })

  test('a resolution ends the alarm and lets the record settle, and leaves the outcome as it is', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.hazard(id(1), 'effects-lost')
    log.hazard(id(1), 'effects-lost', q)
    expect(log.resolve(id(1))).toMatchObject({
      record: {
        outcome: 'committed',
        settled: false,
        hazards: [{ participant: p, resolved: resolution }, { participant: q }],
      },
    })
    log.apply({ kind: 'settled', ids: [id(1)] })
    expect(log.unsettledIds()).toEqual([id(1)])
    expect(hazardous(log.space, 9).map((record) => record.id)).toEqual([id(1)])
    log.resolve(id(1), q)
    expect(hazardousCount(log.space, 9)).toBe(0)
    log.apply({ kind: 'settled', ids: [id(1)] })
    expect(log.unsettledIds()).toEqual([])
  })

  test('the first resolution of a hazard stands; the same report again is no new alarm, another one is', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.hazard(id(1), 'effects-lost')
    log.resolve(id(1))
    const hash = log.space.hash()
    log.resolve(id(1), p, 'bob')
    log.hazard(id(1), 'effects-lost')
    expect(log.space.hash()).toBe(hash)
    log.hazard(id(1), 'committed-met-aborted')
    expect(hazardousCount(log.space, 9)).toBe(1)
  })

  test('a branch that never acknowledged becomes a resolved hazard: nobody saw it end', () => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    const hazards = [{ participant: p, kind: 'never-acknowledged', resolved: resolution }]
    expect(log.resolve(id(1))).toMatchObject({ record: { outcome: 'committed', settled: false, hazards } })
    expect(hazardousCount(log.space, 9)).toBe(0)
  })

  test.each([
    ['a settled transaction', id(1), p],
    ['a branch that is not listed', id(2), s],
    ['a transaction that is not decided', id(3), p],
  ] as const)('there is nothing to resolve of %s', (_, of, participant) => {
    const log = new Log()
    log.decide(decision(id(1), 'committed'))
    log.apply({ kind: 'settled', ids: [id(1)] })
    log.decide(decision(id(2), 'committed'))
    const hash = log.space.hash()
    log.resolve(of, participant)
    expect(log.space.hash()).toBe(hash)
  })

  test('a quarantined branch is let go of only where no outcome can come any more (R13)', () => {
    const log = new Log()
    const release = { kind: 'release', id: id(1), participant: p, resolution } as const
    expect(log.apply(release)).toEqual({ kind: 'done' })
    expect(isReleased(log.space, id(1), p)).toBe(false)
    log.space.put('group/horizon', packedHorizon(1))
    expect(log.apply(release)).toEqual({ kind: 'released' })
    expect([isReleased(log.space, id(1), p), isReleased(log.space, id(1), q)]).toEqual([true, false])
  })
})

describe('R11: epochs', () => {
  test('the epoch starts at 1, each advance moves it by one, the horizon starts at 0', () => {
    const log = new Log()
    expect([epochOf(log.space), horizonOf(log.space)]).toEqual([1, 0])
    log.apply({ kind: 'advance' })
    log.apply({ kind: 'advance' })
    expect([epochOf(log.space), horizonOf(log.space)]).toEqual([3, 0])
  })
})

const ids = fc.integer({ min: 1, max: 4 }).map((number) => id(number, { epoch: 1 + (number % 2) }))
const commands: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record({
      of: ids,
      outcome: fc.constantFrom('committed' as const, 'aborted' as const),
      list: fc.constantFrom(calledList(p, q), calledList(p, s), calledList(p)),
      votes: fc.array(
        fc.constantFrom('prepared' as const, 'read-only' as const, 'refused' as const, 'unknown' as const),
        {
          minLength: 2,
          maxLength: 2,
        },
      ),
    })
    .map(({ of, outcome, list, votes }) => {
      const made = decision(of, outcome, list)
      const branches = made.branches.map((branch, place) => ({ ...branch, vote: votes[place] ?? 'unknown' }))
      return { kind: 'decide' as const, decision: { ...made, branches } }
    }),
  fc.array(ids, { maxLength: 3 }).map((settled) => ({ kind: 'settled' as const, ids: settled })),
  fc.constant({ kind: 'advance' as const }),
  fc.record({
    kind: fc.constant('hazard' as const),
    id: ids,
    participant: fc.constantFrom(p, q, s),
    hazard: fc.constantFrom('effects-lost' as const, 'aborted-met-committed' as const),
    note: fc.constant('seen'),
  }),
  fc.record({
    kind: fc.constantFrom('resolve' as const, 'release' as const),
    id: ids,
    participant: fc.constantFrom(p, q, s),
    resolution: fc.constant(resolution),
  }),
)

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
        for (let number = 1; number <= 4; number += 1) {
          const record = recordOf(log.space, id(number, { epoch: 1 + (number % 2) }))
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
        const all = [1, 2, 3, 4].map((number) => recordOf(log.space, id(number, { epoch: 1 + (number % 2) })))
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
