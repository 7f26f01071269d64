import { describe, expect, test } from 'vitest'
import { runHistory } from './history.ts'
import { addReached, type Reached, unknown, unreached } from './report.ts'
import { rareStates } from './states.ts'

/** Seeds that are run each time. They yield first when the time budget in CONTRIBUTING.md is spent. */
const seeds = 500
const seedsPerTest = 100

describe('the whole system, from one seed, under crashes, power cuts, partitions, failovers and echoes', () => {
  const reached: Reached = new Map()

  for (let from = 1; from <= seeds; from += seedsPerTest) {
    test(`keeps every promise in the histories ${from} to ${from + seedsPerTest - 1}`, async () => {
      let committed = 0
      for (let seed = from; seed < from + seedsPerTest; seed += 1) {
        const history = await runHistory(seed)
        committed += history.committed
        addReached(reached, history.reached)
      }
      // A storm in which nothing is ever committed would prove nothing.
      expect(committed).toBeGreaterThan(seedsPerTest)
    })
  }

  test('comes in these histories to every state of the protocol that is not rare, and to none that the table does not know', () => {
    expect(unreached(reached).filter((state) => !(state in rareStates))).toEqual([])
    expect(unknown(reached)).toEqual([])
  })

  test('is the same on every run of a seed', async () => {
    const [first, second] = [await runHistory(7), await runHistory(7)]
    expect(second).toEqual(first)
  })
})
