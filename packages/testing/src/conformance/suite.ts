import { Bench } from './bench.ts'
import { committingRules } from './committing.ts'
import { finishingRules } from './finishing.ts'
import { forgettingRules } from './forgetting.ts'
import type { ResourceHarness, Rule } from './harness.ts'
import { lookingRules } from './looking.ts'
import { openingRules } from './opening.ts'
import { preparingRules } from './preparing.ts'

/** Every sentence of the contract that can be checked from outside. */
const resourceRules: readonly Rule[] = [
  ...openingRules,
  ...preparingRules,
  ...committingRules,
  ...finishingRules,
  ...lookingRules,
  ...forgettingRules,
]

/** The two functions that the suite needs of a test runner: vitest's, node:test's and others' will do. */
export interface TestRunner {
  readonly describe: (name: string, define: () => void) => unknown
  readonly test: (name: string, run: () => Promise<void>) => unknown
}

/**
 * Defines the conformance tests of a resource: one for each sentence of its contract, but for those that need what the
 * harness lacks.
 *
 * ```ts
 * import { describe, test } from 'vitest'
 * describeResource('postgres', harness, { describe, test })
 * ```
 */
export function describeResource<Session extends object>(
  name: string,
  harness: ResourceHarness<Session>,
  { describe, test }: TestRunner,
): void {
  describe(`${name} as a resource`, () => {
    for (const rule of rulesFor(harness)) test(rule.sentence, () => checkRule(rule, harness))
  })
}

/** The sentences that a harness has the means to check. */
export function rulesFor<Session extends object>({ lacks }: ResourceHarness<Session>): readonly Rule[] {
  return resourceRules.filter(({ needs }) => !needs || !lacks.includes(needs))
}

/** Checks one sentence on a fresh store. Rejects with what was wrong. */
export async function checkRule<Session extends object>(rule: Rule, harness: ResourceHarness<Session>): Promise<void> {
  const bench = new Bench(await harness.create())
  try {
    await rule.check(bench)
  } finally {
    await bench.dispose()
  }
}
