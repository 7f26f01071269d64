import { describe, expect, test } from 'vitest'
import { faults, Group } from './group.ts'

/** Histories of each size: what two cores run in about a minute. RAFT_SEEDS asks for more. */
const seeds = Number(process.env['RAFT_SEEDS'] ?? 100)
const parts = 10

/** Runs the histories of groups of one size. */
export function describeHistories(size: number): void {
  describe(`${size} replicas keep every promise of Raft while everything fails`, () => {
    const total = { acknowledged: 0, reads: 0, terms: 0, struck: new Map<string, number>() }

    test.each(Array.from({ length: parts }, (_, part) => part))('part %i', async (part) => {
      for (let seed = part; seed < seeds; seed += parts) {
        const group = new Group(seed, size)
        await group.run()
        total.acknowledged += group.history.acknowledged.size
        total.reads += group.history.reads
        total.terms += group.invariants.terms
        for (const [fault, count] of group.history.faults) {
          total.struck.set(fault, (total.struck.get(fault) ?? 0) + count)
        }
      }
    })

    test('and everything did fail, and work was done in between', () => {
      expect([...total.struck.keys()].toSorted()).toEqual(faults.toSorted())
      expect(total.acknowledged / seeds).toBeGreaterThan(20)
      expect(total.reads / seeds).toBeGreaterThan(3)
      expect(total.terms / seeds).toBeGreaterThan(1.5)
    })
  })
}
