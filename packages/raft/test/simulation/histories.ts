import { describe, expect, test } from 'vitest'
import { faultNames } from './faults.ts'
import { runHistory, testedSeeds } from './history.ts'

/** Files that share the seeds. */
const files = 2
const seeds = testedSeeds.count / files
const seedsPerTest = 40

/** What every part of the seeds must come by, lest it proves nothing. */
const events = [
  'becameLeader',
  'lostQuorum',
  'membershipChanged',
  'removed',
  'transferred',
  'compacted',
  'snapshotInstalled',
] as const

/** Runs the part of a file, the first of which is 0: the files run side by side. */
export function describeHistories(part: 0 | 1): void {
  const first = testedSeeds.from + part * seeds
  describe(`groups of replicas, from one seed each, from ${first} on`, () => {
    const seen = new Set<string>()
    let operations = 0
    let uncertain = 0
    let terms = 0

    const starts = Array.from({ length: seeds / seedsPerTest }, (_, place) => first + place * seedsPerTest)
    test.each(starts)(
      `keep every promise of Raft while everything fails: ${seedsPerTest} seeds from %i`,
      async (from) => {
        for (let seed = from; seed < from + seedsPerTest; seed++) {
          const history = await runHistory(seed)
          for (const names of [history.faults, history.events]) for (const name of names.keys()) seen.add(name)
          operations += history.operations
          uncertain += history.uncertain
          terms += history.terms
        }
      },
    )

    test('and everything did fail, and work was done in between', () => {
      expect([...seen]).toEqual(expect.arrayContaining([...faultNames, ...events]))
      expect(operations / seeds).toBeGreaterThan(100)
      expect(uncertain / seeds).toBeGreaterThan(3)
      expect(terms / seeds).toBeGreaterThan(3)
    })
  })
}
