import { type BranchList, type Digest, digestOf, type InstanceId, type Operation, type Reason } from '@verdict/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { advanceBranch, branchWakeAtMs, newBranch, newOneShot } from '../src/branch.ts'
import type { Branch, BranchEffect, BranchEvent, BranchLimits, SealedList } from '../src/branch-state.ts'
import type { CommitResult, PrepareResult } from '../src/resource.ts'
import { calledList, id, instanceOf, loneList, nonceOf, oneShotList, payloadOf, tokenOf } from './names.ts'

const limits: BranchLimits = {
  graceMs: 2_000,
  idleMs: 30_000,
  inquireAfterMs: 5_000,
  maxWaitingCalls: 4,
  maxKeptBytes: 64,
}
const here = instanceOf(1)
const token = tokenOf(1)
const nonce = nonceOf(1)
const leftMs = 10_000
const inbox = 'an inbox'
const debit: Operation = { name: 'debit', args: payloadOf({ cents: 1 }) }
const value = (of: unknown) => ({ kind: 'value', value: payloadOf(of) }) as const
const failed: Reason = { code: 'insufficient-funds', message: 'no', retryable: false }

/** A branch under test: say what happens to it, and see what it does. */
class Life {
  nowMs = 0
  readonly branch: Branch
  readonly effects: BranchEffect[]
  #request = 1

  constructor(begun: { branch: Branch; effects: BranchEffect[] }) {
    this.branch = begun.branch
    this.effects = begun.effects
  }

  /** Gives the effects of one event, without their data where a kind says enough. */
  on(event: BranchEvent): BranchEffect[] {
    return advanceBranch(this.branch, event, this.nowMs, limits)
  }

  call(n: number, by = token): BranchEffect[] {
    this.#request += 1
    return this.on({
      kind: 'called',
      token: by,
      call: { n, operation: debit, leftMs, asker: { inbox, request: this.#request } },
    })
  }

  firstCall(by = nonce): BranchEffect[] {
    this.#request += 1
    return this.on({
      kind: 'first-called',
      nonce: by,
      call: { n: 1, operation: debit, leftMs, asker: { inbox, request: this.#request } },
    })
  }

  ran(n: number, of: unknown = n): BranchEffect[] {
    return this.on({ kind: 'ran', n, result: value(of) })
  }

  prepare(list: BranchList, at: InstanceId = here): BranchEffect[] {
    const [listed] = list
    if (listed === undefined) throw new Error('the list is empty')
    const named = listed.kind === 'called' && listed.instance === at
    return this.on({ kind: 'prepare-asked', sealed: seal(list), listed, named })
  }

  prepared(kind: Exclude<PrepareResult['kind'], 'refused'> = 'prepared'): BranchEffect[] {
    return this.on({ kind: 'prepare-ended', result: { kind } })
  }
}

const seal = (list: BranchList): SealedList => ({ list, digest: digestOf(id, list) })

function called(): Life {
  const asker = { inbox, request: 1 }
  return new Life(
    newBranch({ id, token, nonce, trace: undefined }, { n: 1, operation: debit, leftMs, asker }, 0, limits),
  )
}

function openWithOneCall(): Life {
  const life = called()
  life.on({ kind: 'opened' })
  life.ran(1)
  return life
}

function oneShot(count: number): Life {
  const operations = Array.from({ length: count }, () => debit)
  const opening = { id, token, trace: undefined, readOnly: false, lone: undefined }
  return new Life(newOneShot(opening, seal(oneShotList(operations)), operations, leftMs, 0))
}

const answers = (effects: readonly BranchEffect[]) =>
  effects.flatMap((effect) => (effect.kind === 'answer' ? [effect.result] : []))
const votes = (effects: readonly BranchEffect[]) =>
  effects.flatMap((effect) => (effect.kind === 'vote' ? [effect.ballot] : []))
const kinds = (effects: readonly BranchEffect[]) => effects.map(({ kind }) => kind)
const refusedAs = (code: string) => ({ kind: 'refused', reason: expect.objectContaining({ code }) })
const list = (calls: number, of = token) => calledList(here, of, calls)

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

describe('whatever happens to it', () => {
  const n = fc.integer({ min: 1, max: 4 })
  const someToken = fc.constantFrom(token, tokenOf(9))
  const asker = { inbox, request: 5 }
  const call = n.map((number) => ({ n: number, operation: debit, leftMs, asker }))
  const event: fc.Arbitrary<BranchEvent> = fc.oneof(
    { weight: 2, arbitrary: fc.constant<BranchEvent>({ kind: 'opened' }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('called'), token: someToken, call }) },
    fc.record({
      kind: fc.constant('first-called'),
      nonce: fc.constantFrom(nonce, nonceOf(2)),
      call: call.map((one) => ({ ...one, n: 1 })),
    }),
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('ran'),
        n,
        result: fc.constantFrom(value(1), { kind: 'refused', reason: failed } as const),
      }),
    },
    fc.constant<BranchEvent>({ kind: 'released', token }),
    fc.constant<BranchEvent>({ kind: 'dropped', reason: failed }),
    fc.constant<BranchEvent>({ kind: 'woke' }),
    fc.constant<BranchEvent>({ kind: 'met-row' }),
    {
      weight: 3,
      arbitrary: fc.record({ calls: n, of: someToken }).map(({ calls, of }): BranchEvent => {
        const sealed = seal(list(calls, of))
        return {
          kind: 'prepare-asked',
          sealed,
          listed: { kind: 'called', participant: 'payments' as never, instance: here, token: of, calls },
          named: true,
        }
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ calls: n, of: someToken }).map(({ calls, of }): BranchEvent => {
        const sealed = seal(loneList(here, of, calls))
        const [listed] = sealed.list
        if (listed === undefined) throw new Error('the list is empty')
        return {
          kind: 'alone-asked',
          sealed,
          listed,
          named: true,
          request: { asker: { inbox, request: 9 }, again: false },
        }
      }),
    },
    fc
      .constantFrom<PrepareResult>({ kind: 'prepared' }, { kind: 'busy' }, { kind: 'read-only' }, { kind: 'exists' })
      .map((result): BranchEvent => ({ kind: 'prepare-ended', result })),
    fc
      .constantFrom<CommitResult>({ kind: 'committed' }, { kind: 'busy' }, { kind: 'read-only' }, { kind: 'exists' })
      .map((result): BranchEvent => ({ kind: 'commit-ended', result })),
  )

  /** Plays a history and gives all that the branch did, in order. */
  function play(events: readonly BranchEvent[], steps: readonly number[]): { life: Life; effects: BranchEffect[] } {
    const life = called()
    const effects = [...life.effects]
    const once = events.findIndex(({ kind }) => kind === 'opened')
    events.forEach((one, position) => {
      // The resource opens once.
      if (one.kind === 'opened' && position !== once) return
      life.nowMs += steps[position] ?? 0
      effects.push(...life.on(one))
    })
    return { life, effects }
  }

  const history = fc.tuple(
    fc.array(event, { maxLength: 25 }),
    fc.array(fc.integer({ min: 0, max: 4_000 }), { minLength: 25, maxLength: 25 }),
  )

  test('calls run once each and in order, it is prepared or committed at most once, and nothing runs afterwards', () => {
    fc.assert(
      fc.property(history, ([events, steps]) => {
        const { effects } = play(events, steps)
        const runs = effects.flatMap((effect) => (effect.kind === 'run' ? [effect.n] : []))
        expect(runs).toEqual(runs.map((_, position) => position + 1))
        const done = kinds(effects)
        const ends = done.flatMap((kind, place) => (['prepare', 'commit', 'rollback'].includes(kind) ? [place] : []))
        expect(ends.length).toBeLessThanOrEqual(1)
        if (ends[0] !== undefined) expect(done.slice(ends[0] + 1)).not.toContain('run')
      }),
    )
  })

  test('a vote prepared is for exactly the calls that ran, and comes after preparing', () => {
    fc.assert(
      fc.property(history, ([events, steps]) => {
        const { effects } = play(events, steps)
        const vote = effects.findIndex((effect) => effect.kind === 'vote' && effect.ballot.kind === 'prepared')
        if (vote < 0) return
        const before = effects.slice(0, vote)
        const prepare = before.find((effect) => effect.kind === 'prepare')
        const calls = before.filter(({ kind }) => kind === 'run').length
        expect(prepare).toMatchObject({ sealed: { digest: digestAfter(calls) } })
      }),
    )
  })

  test('a lone one is told committed only for exactly the calls that ran, and after its commit', () => {
    fc.assert(
      fc.property(history, ([events, steps]) => {
        const { effects } = play(events, steps)
        const told = effects.findIndex((effect) => effect.kind === 'tell' && effect.answer.kind === 'committed')
        if (told < 0) return
        const before = effects.slice(0, told)
        const commit = before.find((effect) => effect.kind === 'commit')
        const calls = before.filter(({ kind }) => kind === 'run').length
        expect(commit).toMatchObject({ sealed: { digest: seal(loneList(here, token, calls)).digest } })
        expect(kinds(before)).not.toContain('settle')
      }),
    )
  })

  test('the same history gives the same effects, and the state is plain data', () => {
    fc.assert(
      fc.property(history, ([events, steps]) => {
        const first = play(events, steps)
        expect(play(events, steps)).toEqual(first)
        expect(structuredClone(first.life.branch)).toEqual(first.life.branch)
      }),
    )
  })

  const digestAfter = (calls: number): Digest => seal(list(calls)).digest
})
