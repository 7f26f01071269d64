import type { DecidedBranch, DecisionRecord, Epoch, HeldBranch } from '@verdict/protocol'
import { digestOf, sealList } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { answerHolder, lookUp, trustedList } from '../src/inquiry.ts'
import { called, calledList, decision, id, oneShot, otherDigest, p, q, s, token } from './samples.ts'

const list = calledList(p, q)
const digest = digestOf(id(1), list)
const noHorizon = 0 as Epoch

function record(outcome: DecisionRecord['outcome'], vote: DecidedBranch['vote'], settled = false): DecisionRecord {
  const made = decision(id(1), outcome, list)
  return { ...made, branches: made.branches.map((branch) => ({ ...branch, vote })), settled, hazards: [] }
}

describe('R8: what a group answers to the holder of a prepared branch', () => {
  const mine = { id: id(1), digest }
  const other = { id: id(1), digest: otherDigest(id(1)) }
  test.each([
    [
      'a commit that counted its vote',
      record('committed', 'prepared'),
      mine,
      p,
      { answer: 'committed', token: token(p) },
    ],
    [
      'the same, acknowledged before',
      record('committed', 'prepared', true),
      mine,
      p,
      { answer: 'committed', token: token(p) },
    ],
    ['a commit that counted it as read-only', record('committed', 'read-only'), mine, p, { answer: 'discard' }],
    ['a commit that does not list it', record('committed', 'prepared'), mine, s, { answer: 'discard' }],
    ['a commit under another list', record('committed', 'prepared'), other, p, { answer: 'discard' }],
    ['an abort', record('aborted', 'prepared'), mine, p, { answer: 'aborted', token: token(p) }],
    ['an abort without its vote', record('aborted', 'unknown'), mine, p, { answer: 'aborted', token: token(p) }],
    ['an abort that does not know it', record('aborted', 'unknown'), mine, s, { answer: 'aborted' }],
    ['an abort under another list', record('aborted', 'prepared'), other, p, { answer: 'discard' }],
  ] as const)('%s', (_, of, held, asker, answer) => {
    expect(answerHolder(of, noHorizon, asker, held)).toEqual({ ...held, ...answer })
  })

  test('no record behind the horizon is expired; before it the transaction is to be taken up', () => {
    expect(answerHolder(undefined, 1 as Epoch, p, mine)).toEqual({ ...mine, answer: 'expired' })
    expect(answerHolder(undefined, noHorizon, p, mine)).toBe('unknown')
  })

  test('an abort of every list is told to whoever holds a branch', () => {
    const ofAll = { ...record('aborted', 'unknown'), branches: [] }
    expect(answerHolder(ofAll, noHorizon, p, other)).toEqual({ ...other, answer: 'aborted' })
  })

  test('an operator lets go of a branch only where there is no outcome for it (R13)', () => {
    const answer = (of: DecisionRecord | undefined, held = mine, asker = p): unknown =>
      answerHolder(of, 1 as Epoch, asker, held, () => true)
    expect(answer(undefined)).toEqual({ ...mine, answer: 'released' })
    expect(answer(record('committed', 'prepared'), other)).toEqual({ ...other, answer: 'released' })
    expect(answer(record('committed', 'prepared'))).toMatchObject({ answer: 'committed' })
    expect(answer(record('aborted', 'prepared'))).toMatchObject({ answer: 'aborted' })
    expect(answerHolder(undefined, noHorizon, p, mine, () => true)).toBe('unknown')
  })

  test('a record is told, even behind the horizon', () => {
    expect(answerHolder(record('committed', 'prepared'), 9 as Epoch, p, mine)).toMatchObject({ answer: 'committed' })
  })
})

describe('R6: a holder is believed in its list', () => {
  const held: HeldBranch = { id: id(1), digest, token: token(p), list }

  test('when its digest binds the list and the list names the branch that it holds', () => {
    expect(trustedList(p, held)).toBe(list)
  })

  test.each<[string, HeldBranch]>([
    ['there is none', { id: id(1), digest, token: token(p) }],
    ['its digest binds another list', { ...held, digest: otherDigest(id(1)) }],
    ['its digest binds another transaction', { ...held, id: id(2) }],
    ['it names another opening', { ...held, token: token(p, 1) }],
  ])('not when %s', (_, of) => {
    expect(trustedList(p, of)).toBeUndefined()
  })

  test('not when it does not name the asker', () => {
    expect(trustedList(s, held)).toBeUndefined()
  })

  test('a one-shot names no opening, so any token of the asker will do', () => {
    const shots = sealList([oneShot(p), oneShot(q)])
    expect(trustedList(p, { id: id(1), digest: digestOf(id(1), shots), token: token(p, 3), list: shots })).toBe(shots)
    expect(called(p).token).toBe(token(p))
  })
})

describe('R3: what a look finds', () => {
  test('a record, or that nothing is recorded and whether that can still change', () => {
    expect(lookUp(record('committed', 'prepared'), 9 as Epoch, id(1))).toMatchObject({
      kind: 'recorded',
      outcome: 'committed',
      settled: false,
    })
    expect(lookUp(undefined, noHorizon, id(1))).toEqual({ kind: 'none', id: id(1) })
    expect(lookUp(undefined, 1 as Epoch, id(1))).toEqual({ kind: 'expired', id: id(1) })
  })
})
