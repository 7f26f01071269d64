import { describe, expect, test } from 'vitest'
import { runHistory } from './history.ts'

/** Seeds that are run each time. They yield first when the time budget in CONTRIBUTING.md is spent. */
const seeds = 1_000
const seedsPerTest = 100

describe('the whole system, from one seed, under crashes, power cuts, partitions and lost messages', () => {
  for (let from = 1; from <= seeds; from += seedsPerTest) {
    test(`keeps every promise in the histories ${from} to ${from + seedsPerTest - 1}`, async () => {
      let committed = 0
      for (let seed = from; seed < from + seedsPerTest; seed += 1) committed += (await runHistory(seed)).committed
      // A storm in which nothing is ever committed would prove nothing.
      expect(committed).toBeGreaterThan(seedsPerTest)
    })
  }

  test('is the same on every run of a seed', async () => {
    const [first, second] = [await runHistory(7), await runHistory(7)]
    expect(second).toEqual(first)
  })
})
