import { expect, test } from 'vitest'
import type { Scenario } from './scenario.ts'
import { search } from './search.ts'

/** Every state of each scenario keeps the invariants, and something happens in it. */
export function testEach(scenarios: readonly Scenario[]): void {
  test.each(scenarios)('$name: $shows', (scenario) => {
    const { counterexample, isCut, states, transitions, reached } = search(scenario)
    console.log(`${scenario.name}: ${states} states, ${transitions} transitions`)
    expect(counterexample).toBeUndefined()
    expect(isCut).toBe(false)
    expect(reached).toEqual(expect.arrayContaining([...scenario.reaches]))
  })
}
