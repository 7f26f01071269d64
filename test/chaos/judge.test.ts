import { describe, expect, test } from 'vitest'
import type { Books } from './books.ts'
import { type Evidence, judge } from './judge.ts'
import type { Begun, Entry, Told } from './ledger.ts'

const openingCents = 100

function begun(transfer: string, cents: number): Begun {
  const places = [
    { bank: 'bank-a', account: 0 },
    { bank: 'vault', account: 1 },
  ] as const
  return { kind: 'begun', transfer, places, cents, way: 'one-shot', atMs: 0 }
}

function told(transfer: string, what: Told['what']): Told {
  return { kind: 'told', transfer, what, atMs: 1 }
}

const entries: readonly Entry[] = [
  begun('t1', 5),
  told('t1', 'doubt'),
  told('t1', 'committed'),
  begun('t2', 7),
  told('t2', 'aborted'),
  begun('t3', 1),
  { kind: 'audited', what: 'committed', cents: 400, atMs: 2 },
  { kind: 'audited', what: 'aborted', atMs: 3 },
]

const bank: Books = {
  bank: 'bank-a',
  balances: new Map([
    [0, 95],
    [1, 100],
  ]),
  movements: [{ transfer: 't1', account: 0, cents: -5 }],
  ended: [
    { id: 'x1', state: 'committed' },
    { id: 'x2', state: 'aborted' },
  ],
  prepared: [],
}

const vault: Books = {
  bank: 'vault',
  balances: new Map([
    [0, 100],
    [1, 105],
  ]),
  movements: [{ transfer: 't1', account: 1, cents: 5 }],
  ended: [{ id: 'x1', state: 'committed' }],
  prepared: [],
}

const sound: Evidence = { books: [bank, vault], entries, openingCents }

function problemsOf(evidence: Evidence): string[] {
  return judge(evidence).flatMap(({ what, problems }) => (problems.length === 0 ? [] : [what.replace(/ \(.*/, '')]))
}

test('books that agree with what was told are in order', () => {
  expect(problemsOf(sound)).toEqual([])
})

test('what nobody was told of may be there as a whole', () => {
  const moved = (books: Books, cents: number, account: number): Books => ({
    ...books,
    balances: new Map([...books.balances].map(([at, held]) => [at, at === account ? held + cents : held])),
    movements: [...books.movements, { transfer: 't3', account, cents }],
  })
  expect(problemsOf({ ...sound, books: [moved(bank, -1, 0), moved(vault, 1, 1)] })).toEqual([])
})

describe('it is seen when', () => {
  test.each<{ it: string; evidence: Partial<Evidence>; found: string }>([
    {
      it: 'a transfer was told both outcomes',
      evidence: { entries: [...entries, told('t1', 'aborted')] },
      found: 'nobody was told two outcomes of one transfer',
    },
    {
      it: 'half of what was told committed is missing',
      evidence: { books: [bank, { ...vault, movements: [] }] },
      found: 'what was told committed is there, once, everywhere',
    },
    {
      it: 'what was told committed is there twice',
      evidence: { books: [{ ...bank, movements: [...bank.movements, ...bank.movements] }, vault] },
      found: 'what was told committed is there, once, everywhere',
    },
    {
      it: 'what was told committed moved another sum',
      evidence: { books: [bank, { ...vault, movements: [{ transfer: 't1', account: 1, cents: 6 }] }] },
      found: 'what was told committed is there, once, everywhere',
    },
    {
      it: 'what was told aborted is there',
      evidence: { entries: entries.map((entry) => (entry === entries[2] ? told('t1', 'aborted') : entry)) },
      found: 'what was told aborted is nowhere',
    },
    {
      it: 'what nobody was told of is there by half',
      evidence: {
        books: [{ ...bank, movements: [...bank.movements, { transfer: 't3', account: 0, cents: -1 }] }, vault],
      },
      found: 'what nobody was told of is there, once, everywhere, or nowhere',
    },
    {
      it: 'there is something that nobody began',
      evidence: {
        books: [{ ...bank, movements: [...bank.movements, { transfer: 't9', account: 0, cents: 0 }] }, vault],
      },
      found: 'there is nothing that no client began',
    },
    {
      it: 'an account has changed without a movement',
      evidence: {
        books: [
          {
            ...bank,
            balances: new Map([
              [0, 96],
              [1, 99],
            ]),
          },
          vault,
        ],
      },
      found: 'each account holds what its movements come to',
    },
    {
      it: 'money has come from nowhere',
      evidence: {
        books: [
          {
            ...bank,
            balances: new Map([
              [0, 95],
              [1, 101],
            ]),
          },
          vault,
        ],
      },
      found: 'the total is what it was',
    },
    {
      it: 'a branch is left prepared',
      evidence: { books: [bank, { ...vault, prepared: ['x3'] }] },
      found: 'no branch is prepared any more',
    },
    {
      it: 'two stores differ about a transaction',
      evidence: { books: [bank, { ...vault, ended: [{ id: 'x1', state: 'aborted' }] }] },
      found: 'all stores say the same of each transaction',
    },
    {
      it: 'a store holds a branch both prepared and ended',
      evidence: { books: [bank, { ...vault, prepared: ['x1'] }] },
      found: 'all stores say the same of each transaction',
    },
    {
      it: 'an audit read half a transfer',
      evidence: { entries: [...entries, { kind: 'audited', what: 'committed', cents: 395, atMs: 4 }] },
      found: 'every audit saw the whole total',
    },
    {
      it: 'a client met a hazard',
      evidence: { entries: [...entries, told('t3', 'hazard')] },
      found: 'nobody met a hazard',
    },
  ])('$it', ({ evidence, found }) => {
    expect(problemsOf({ ...sound, ...evidence })).toContain(found)
  })
})
