import type { Digest } from '@verdict/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BranchEffect, BranchEvent } from '../src/branch-state.ts'
import type { CommitResult, PrepareResult } from '../src/resource.ts'
import {
  called,
  debit,
  failed,
  here,
  inbox,
  kinds,
  type Life,
  leftMs,
  list,
  nonce,
  seal,
  token,
  value,
} from './life.ts'
import { loneList, nonceOf, tokenOf } from './names.ts'

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
