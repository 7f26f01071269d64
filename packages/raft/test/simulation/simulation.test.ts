import { describe, expect, test } from 'vitest'
import { faults, Group } from './group.ts'

/** Histories of each size; a part runs in a time that a person waits for. */
const seeds = Number(process.env['RAFT_SEEDS'] ?? 100)
const partsOfSeeds = 10

describe.each([3, 5])('%i replicas keep every promise of Raft while everything fails', (size) => {
  const parts = Array.from({ length: partsOfSeeds }, (_, part) => part)
  test.each(parts)('part %i', async (part) => {
    const total = { acknowledged: 0, reads: 0, terms: 0, faults: new Map<string, number>() }
    for (let seed = part; seed < seeds; seed += partsOfSeeds) {
      const group = new Group(seed, size)
      await group.run()
      total.acknowledged += group.history.acknowledged.size
      total.reads += group.history.reads
      total.terms += group.invariants.terms
      for (const [fault, count] of group.history.faults) {
        total.faults.set(fault, (total.faults.get(fault) ?? 0) + count)
      }
    }
    expect(total.acknowledged).toBeGreaterThan(seeds)
    expect(total.reads).toBeGreaterThan(seeds / partsOfSeeds)
    expect(total.terms).toBeGreaterThan(seeds / partsOfSeeds)
    expect(total.faults.size).toBe(faults.length)
  })
})
