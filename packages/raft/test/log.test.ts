import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvariantError } from '../src/invariant.ts'
import {
  createLog,
  entryBytes,
  isUpToDate,
  type Log,
  lastIndexOf,
  lastPossibleMatch,
  lastTermOf,
  plus,
  push,
  slice,
  termAt,
  trim,
  truncateFrom,
  unwritten,
  within,
} from '../src/log.ts'
import type { Entry, LogIndex, Term } from '../src/message.ts'

const at = (index: number): LogIndex => index as LogIndex

/** A log with the terms given, from index 1 on. */
function logOf(terms: readonly number[]): Log {
  return createLog(at(0), 0 as Term, entriesOf(terms))
}

function entriesOf(terms: readonly number[], after = 0): readonly Entry[] {
  return terms.map((term, place) => ({
    term: term as Term,
    index: at(after + place + 1),
    kind: 'command',
    command: Buffer.from(`${term}`),
  }))
}

const termsArbitrary = fc
  .array(fc.integer({ min: 1, max: 5 }), { maxLength: 12 })
  .map((terms) => terms.toSorted((one, other) => one - other))

test('entries follow each other without a gap, and terms never go back', () => {
  const log = logOf([1, 1, 3])
  const [gap] = entriesOf([3], 4)
  const [older] = entriesOf([2], 3)
  expect(() => push(log, gap as Entry)).toThrow(InvariantError)
  expect(() => push(log, older as Entry)).toThrow(InvariantError)
})

test('a log is compared by its last term first, and by its length only within a term', () => {
  const log = logOf([1, 1, 3])
  const ends = [
    [9, 2],
    [2, 3],
    [3, 3],
    [1, 4],
  ] as const
  expect(ends.map(([index, term]) => isUpToDate(log, at(index), term as Term))).toEqual([false, false, true, true])
})

test('truncation removes the entry itself and all that follow, nothing before, and forgets that they were on disk', () => {
  fc.assert(
    fc.property(termsArbitrary, fc.nat(), (terms, choice) => {
      fc.pre(terms.length > 0)
      const log = logOf(terms)
      const cut = at((choice % terms.length) + 1)
      truncateFrom(log, cut)
      expect(log.entries.map(({ term }) => term)).toEqual(terms.slice(0, cut - 1))
      expect(log.durableIndex).toBe(cut - 1)
      expect(log.handedIndex).toBe(cut - 1)
      expect(log.bytes).toBe(log.entries.reduce((bytes, entry) => bytes + entryBytes(entry), 0))
    }),
  )
})

test('what was pushed and not handed to the store yet waits to be written', () => {
  const log = logOf([1, 1])
  const more = entriesOf([2, 2], 2)
  for (const entry of more) push(log, entry)
  expect(unwritten(log)).toEqual(more)
})

test('the hints of both sides never skip the last position where two logs agree', () => {
  fc.assert(
    fc.property(termsArbitrary, termsArbitrary, (leaderTerms, followerTerms) => {
      const leader = logOf(leaderTerms)
      const follower = logOf(followerTerms)
      let agreed = 0
      while (agreed < leaderTerms.length && leaderTerms[agreed] === followerTerms[agreed]) agreed++
      let prevIndex = lastIndexOf(leader)
      for (let rounds = 0; termAt(follower, prevIndex) !== termAt(leader, prevIndex); rounds++) {
        expect(rounds).toBeLessThanOrEqual(5) // one for each term, not one for each entry
        const hint = lastPossibleMatch(follower, plus(prevIndex, -1), termAt(leader, prevIndex) as Term)
        const next = lastPossibleMatch(leader, hint, termAt(follower, hint) as Term)
        expect(next).toBeLessThan(prevIndex)
        prevIndex = next
      }
      expect(prevIndex).toBeGreaterThanOrEqual(agreed)
    }),
  )
})

test('trimming keeps what is asked for, never takes what is not on disk, and leaves the rest readable', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 }), (length, upTo) => {
      const log = createLog(at(0), 0 as Term, entriesOf(Array.from({ length }, () => 1)))
      const durable = Math.floor(length / 2)
      log.durableIndex = at(durable)
      trim(log, at(upTo), 5, Number.POSITIVE_INFINITY)
      expect(log.baseIndex).toBeLessThanOrEqual(Math.min(upTo, durable))
      expect(lastIndexOf(log)).toBe(length)
      expect(log.entries.length).toBeGreaterThanOrEqual(Math.min(5, length))
      expect(lastTermOf(log)).toBe(length === 0 ? 0 : 1)
      expect(termAt(log, at(log.baseIndex - 1))).toBeUndefined()
    }),
  )
})

test('a slice has as many entries as both bounds allow, and at least one', () => {
  const log = logOf([1, 1, 1, 1, 1])
  expect(slice(log, at(2), 3, 10_000).map(({ index }) => index)).toEqual([2, 3, 4])
  const [first] = log.entries
  expect(within(log.entries, 2 * entryBytes(first as Entry))).toHaveLength(2)
  expect(within(log.entries, 1)).toHaveLength(1)
})
