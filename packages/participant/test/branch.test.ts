import { describe, expect, test } from 'vitest'
import { branchWakeAtMs } from '../src/branch.ts'
import type { BranchEvent } from '../src/branch-state.ts'
import {
  answers,
  called,
  debit,
  failed,
  inbox,
  kinds,
  type Life,
  leftMs,
  limits,
  list,
  oneShot,
  openWithOneCall,
  refusedAs,
  seal,
  token,
  value,
  votes,
} from './life.ts'
import { calledList, instanceOf, nonceOf, oneShotList, payloadOf, tokenOf } from './names.ts'

describe('calls', () => {
  test('a first call opens, runs and is answered', () => {
    const life = called()
    expect(kinds(life.effects)).toEqual(['open'])
    expect(life.on({ kind: 'opened' })).toMatchObject([{ kind: 'run', n: 1, leftMs }])
    expect(life.ran(1)).toMatchObject([{ kind: 'answer', n: 1, asker: { request: 1 }, result: value(1) }])
  })

  test('a doubled first call gets the kept result, and does not run again', () => {
    expect(openWithOneCall().firstCall()).toMatchObject([
      { kind: 'answer', n: 1, asker: { request: 2 }, result: value(1) },
    ])
  })

  test('a first call that is doubled while it runs is joined: one run, one answer', () => {
    const life = called()
    life.on({ kind: 'opened' })
    expect(life.firstCall()).toEqual([])
    expect(life.ran(1)).toMatchObject([{ kind: 'answer', asker: { request: 2 } }])
  })

  test.each(['open', 'prepared', 'uncertain'] as const)(
    'another nonce is told busy while the branch is %s',
    (stage) => {
      const life = openWithOneCall()
      if (stage !== 'open') {
        life.prepare(list(1))
        life.prepared(stage === 'prepared' ? 'prepared' : 'busy')
      }
      expect(life.branch.stage).toBe(stage)
      expect(answers(life.firstCall(nonceOf(2)))).toEqual([{ kind: 'busy' }])
    },
  )

  test('later ones run in their order, one at a time', () => {
    const life = openWithOneCall()
    expect(life.call(2)).toMatchObject([{ kind: 'run', n: 2 }])
    expect(life.call(3)).toEqual([])
    expect(life.ran(2)).toMatchObject([
      { kind: 'answer', n: 2 },
      { kind: 'run', n: 3 },
    ])
  })

  test('a gap is refused, and what was missing may still come', () => {
    const life = openWithOneCall()
    expect(answers(life.call(3))).toEqual([refusedAs('unknown-branch')])
    expect(life.call(2)).toMatchObject([{ kind: 'run', n: 2 }])
  })

  test('a wrong token is refused, and changes nothing', () => {
    const life = openWithOneCall()
    expect(answers(life.call(2, tokenOf(9)))).toEqual([refusedAs('unknown-branch')])
    expect(life.branch.stage).toBe('open')
  })

  test('one that fails poisons the branch: rolled back at once, and whoever waits is told why', () => {
    const life = openWithOneCall()
    life.call(2)
    life.call(3)
    const effects = life.on({ kind: 'ran', n: 2, result: { kind: 'refused', reason: failed } })
    expect(kinds(effects)).toEqual(['rollback', 'answer', 'answer'])
    expect(answers(effects)).toEqual([refusedAs('insufficient-funds'), refusedAs('insufficient-funds')])
    expect(answers(life.call(4))).toEqual([refusedAs('insufficient-funds')])
    expect(votes(life.prepare(list(1)))).toEqual([refusedAs('insufficient-funds')])
  })

  test('more than may wait are refused', () => {
    const life = openWithOneCall()
    for (let n = 2; n <= 2 + limits.maxWaitingCalls; n += 1) expect(answers(life.call(n))).toEqual([])
    expect(answers(life.call(3 + limits.maxWaitingCalls))).toEqual([refusedAs('overloaded')])
  })

  test('values beyond the limit are dropped, oldest first, and never run again', () => {
    const life = openWithOneCall()
    life.call(2)
    life.ran(2, 'x'.repeat(limits.maxKeptBytes - 2))
    expect(life.call(1)).toEqual([])
    expect(answers(life.call(2))).toHaveLength(1)
  })

  test('none is taken once commit was asked', () => {
    const life = openWithOneCall()
    life.prepare(list(1))
    expect(answers(life.call(2))).toEqual([refusedAs('unknown-branch')])
  })
})

describe('preparing', () => {
  test('with token and number of calls right, the branch is prepared, held and voted for', () => {
    const life = openWithOneCall()
    expect(life.prepare(list(1))).toMatchObject([{ kind: 'prepare', sealed: seal(list(1)), results: undefined }])
    expect(kinds(life.prepared())).toEqual(['held', 'vote'])
    expect(votes(life.prepare(list(1)))).toEqual([{ kind: 'prepared', token }])
  })

  test.each([1, 3])('a list with %i calls refuses a branch that executed 2, and it is gone', (calls) => {
    const life = openWithOneCall()
    life.call(2)
    life.ran(2)
    const effects = life.prepare(list(calls))
    expect(kinds(effects)).toEqual(['rollback', 'vote'])
    expect(votes(effects)).toEqual([refusedAs('unknown-branch')])
    expect(votes(life.prepare(list(2)))).toEqual([refusedAs('unknown-branch')])
  })

  test('a call that still runs refuses: the list was sealed before its answer', () => {
    const life = openWithOneCall()
    life.call(2)
    expect(votes(life.prepare(list(2)))).toEqual([refusedAs('unknown-branch')])
    expect(life.branch.stage).toBe('over')
  })

  test('a list with another token is answered by what the resource has, and the branch stays', () => {
    const life = openWithOneCall()
    expect(life.prepare(list(1, tokenOf(9)))).toMatchObject([
      { kind: 'consult', otherwise: { kind: 'refused', reason: { code: 'unknown-branch' } } },
    ])
    expect(life.branch.stage).toBe('open')
  })

  test('a list that names another instance is never refused here', () => {
    const elsewhere = calledList(instanceOf(2), tokenOf(2), 1)
    expect(openWithOneCall().prepare(elsewhere)).toMatchObject([
      { kind: 'consult', otherwise: { kind: 'busy', found: 'nothing' } },
    ])
  })

  test('asked again while preparing, the answer is the one that is coming', () => {
    const life = openWithOneCall()
    life.prepare(list(1))
    expect(life.prepare(list(1))).toEqual([])
    expect(votes(life.prepare(calledList(instanceOf(2), tokenOf(2), 1)))).toEqual([{ kind: 'busy', found: 'underway' }])
  })

  test('prepared under one list, another one is a conflict', () => {
    const life = openWithOneCall()
    life.prepare(list(1))
    life.prepared()
    expect(votes(life.prepare(list(2)))).toEqual([refusedAs('conflict')])
    expect(life.branch.stage).toBe('prepared')
  })

  test('a branch that only read repeats its vote', () => {
    const life = openWithOneCall()
    life.prepare(list(1))
    expect(votes(life.prepared('read-only'))).toEqual([{ kind: 'read-only', token }])
    expect(votes(life.prepare(list(1)))).toEqual([{ kind: 'read-only', token }])
  })

  test('what the resource refused is refused', () => {
    const life = openWithOneCall()
    life.prepare(list(1))
    expect(votes(life.on({ kind: 'prepare-ended', result: { kind: 'refused', reason: failed } }))).toEqual([
      refusedAs('insufficient-funds'),
    ])
  })

  test('a row that is there already decides', () => {
    const life = openWithOneCall()
    life.prepare(list(1))
    expect(life.prepared('exists')).toMatchObject([{ kind: 'consult' }])
  })
})

describe('when it is not known whether preparing succeeded', () => {
  function uncertain(): Life {
    const life = openWithOneCall()
    life.prepare(list(1))
    expect(votes(life.prepared('busy'))).toEqual([{ kind: 'busy', found: 'underway' }])
    return life
  }

  test('nothing is rolled back, and nothing that is not seen yet is refused', () => {
    expect(uncertain().prepare(list(1))).toMatchObject([
      { kind: 'consult', otherwise: { kind: 'busy', found: 'underway' } },
    ])
  })

  test('it looks after a while; what was prepared after all is held', () => {
    const life = uncertain()
    life.nowMs = limits.inquireAfterMs
    expect(kinds(life.on({ kind: 'woke' }))).toEqual(['look'])
    const { digest } = seal(list(1))
    expect(kinds(life.on({ kind: 'looked', row: { state: 'prepared', digest, token, history: 'same' } }))).toEqual([
      'held',
    ])
    expect(votes(life.prepare(list(1)))).toEqual([{ kind: 'prepared', token }])
  })

  test('what another opening prepared meanwhile is not held here', () => {
    const life = uncertain()
    life.nowMs = limits.inquireAfterMs
    life.on({ kind: 'woke' })
    const { digest } = seal(list(1))
    const row = { state: 'prepared', digest, token: tokenOf(9), history: 'same' } as const
    expect(life.on({ kind: 'looked', row })).toEqual([])
    expect(life.branch.stage).toBe('gone')
  })

  test('it is let go when nothing came of it', () => {
    const life = uncertain()
    life.on({ kind: 'looked', row: { state: 'nothing' } })
    expect(life.branch.stage).toBe('gone')
  })
})

describe('a one-shot', () => {
  test('runs its operations in order, prepares with their values, and votes with them', () => {
    const life = oneShot(2)
    expect(life.on({ kind: 'opened' })).toMatchObject([{ kind: 'run', n: 1 }])
    expect(life.ran(1, 'a')).toMatchObject([{ kind: 'run', n: 2 }])
    const results = [payloadOf('a'), payloadOf('b')]
    expect(life.ran(2, 'b')).toMatchObject([{ kind: 'prepare', results }])
    expect(votes(life.prepared())).toEqual([{ kind: 'prepared', token, results }])
  })

  test('asked again while it runs is joined', () => {
    const life = oneShot(1)
    life.on({ kind: 'opened' })
    expect(life.prepare(oneShotList([debit]))).toEqual([])
    expect(votes(life.prepare(oneShotList([debit, debit])))).toEqual([{ kind: 'busy', found: 'underway' }])
  })

  test('that fails looks first: another copy of it may be prepared, and be what it failed on', () => {
    const life = oneShot(1)
    life.on({ kind: 'opened' })
    expect(life.on({ kind: 'ran', n: 1, result: { kind: 'refused', reason: failed } })).toMatchObject([
      { kind: 'rollback' },
      { kind: 'consult', otherwise: refusedAs('insufficient-funds') },
    ])
    expect(life.prepare(oneShotList([debit]))).toMatchObject([
      { kind: 'consult', otherwise: refusedAs('insufficient-funds') },
    ])
  })
})

describe('ending on its own', () => {
  test('the budget and its grace end it, also while a call runs', () => {
    const life = called()
    life.on({ kind: 'opened' })
    life.nowMs = leftMs + limits.graceMs - 1
    expect(life.on({ kind: 'woke' })).toEqual([])
    life.nowMs += 1
    const effects = life.on({ kind: 'woke' })
    expect(kinds(effects)).toEqual(['rollback', 'answer'])
    expect(answers(effects)).toEqual([refusedAs('budget-spent')])
  })

  test('it is not left open without a call', () => {
    const life = openWithOneCall()
    life.on({ kind: 'called', token, call: { n: 2, operation: debit, leftMs: 100_000, asker: { inbox, request: 9 } } })
    life.nowMs = 40_000
    expect(life.on({ kind: 'woke' })).toEqual([])
    life.ran(2)
    life.nowMs += limits.idleMs
    expect(kinds(life.on({ kind: 'woke' }))).toEqual(['rollback'])
  })

  test('a release rolls back, and only of its own opening', () => {
    const life = openWithOneCall()
    expect(life.on({ kind: 'released', token: tokenOf(9) })).toEqual([])
    expect(kinds(life.on({ kind: 'released', token }))).toEqual(['rollback'])
  })

  test('of an id that another run prepared or ended, it tells whoever called that it is busy, and is gone', () => {
    const life = called()
    expect(life.on({ kind: 'met-row' })).toMatchObject([{ kind: 'answer', n: 1, result: { kind: 'busy' } }])
    expect(life.branch.stage).toBe('gone')
  })

  test('released while it opens, it is rolled back once it is open', () => {
    const life = called()
    expect(kinds(life.on({ kind: 'released', token }))).toEqual(['answer'])
    expect(kinds(life.on({ kind: 'opened' }))).toEqual(['rollback'])
  })

  test.each<BranchEvent>([{ kind: 'released', token }, { kind: 'dropped', reason: failed }, { kind: 'woke' }])(
    'a prepared branch keeps its promise: $kind does nothing',
    (event) => {
      const life = openWithOneCall()
      life.prepare(list(1))
      life.prepared()
      life.nowMs = 1e9
      expect(life.on(event)).toEqual([])
      expect(life.branch.stage).toBe('prepared')
      expect(branchWakeAtMs(life.branch, limits)).toBeUndefined()
    },
  )
})
