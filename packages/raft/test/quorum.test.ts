import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Ballot, majorityOf, reachedByMajority, tally } from '../src/quorum.ts'

const values = fc.array(fc.nat(20), { minLength: 1, maxLength: 7 })
const ballots = fc.array(fc.constantFrom<Ballot>('pending', 'granted', 'refused'), { minLength: 1, maxLength: 7 })

test('any two majorities share a member', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 9 }), (members) => 2 * majorityOf(members) > members))
})

test('a majority is no larger than it must be: half of an odd group may be lost', () => {
  expect([1, 2, 3, 4, 5, 7].map(majorityOf)).toEqual([1, 2, 2, 3, 3, 4])
})

test('what a majority has reached is the highest value that a majority is not below', () => {
  fc.assert(
    fc.property(values, (reached) => {
      const result = reachedByMajority(reached)
      const atLeast = (value: number): number => reached.filter((one) => one >= value).length
      expect(atLeast(result)).toBeGreaterThanOrEqual(majorityOf(reached.length))
      expect(atLeast(result + 1)).toBeLessThan(majorityOf(reached.length))
    }),
  )
})

test('a vote is over exactly when the pending ballots can no longer change it', () => {
  const outcomes = (cast: readonly Ballot[]): ReadonlySet<boolean> => {
    const needed = majorityOf(cast.length)
    const granted = cast.filter((ballot) => ballot === 'granted').length
    const pending = cast.filter((ballot) => ballot === 'pending').length
    return new Set([granted >= needed, granted + pending >= needed])
  }
  fc.assert(
    fc.property(ballots, (cast) => {
      const possible = outcomes(cast)
      const expected = possible.size === 2 ? 'open' : possible.has(true) ? 'won' : 'lost'
      expect(tally(cast)).toBe(expected)
    }),
  )
})
