import { describe, expect, test } from 'vitest'
import { faultNames } from './faults.ts'
import { runHistory } from './history.ts'

/** Seeds of one file. They yield first when the time budget in CONTRIBUTING.md is spent; `npm run simulate:raft` has the others. */
const seeds = 200
const seedsPerTest = 20

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

/** Runs the histories from one seed on: two files of them run side by side. */
export function describeHistories(first: number): void {
  describe(`groups of replicas, from one seed each, from ${first} on`, () => {
    const seen = new Set<string>()
    let operations = 0
    let uncertain = 0
    let terms = 0

    const starts = Array.from({ length: seeds / seedsPerTest }, (_, part) => first + part * seedsPerTest)
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
