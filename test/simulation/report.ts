import { states } from './states.ts'

/** Sums of how often states were reached in several histories. */
export type Reached = Map<string, number>

const names = Object.entries(states).flatMap(([rule, own]) => own.map((state) => `${rule} ${state}`))

export function addReached(sums: Reached, reached: ReadonlyMap<string, number>): void {
  for (const [state, times] of reached) sums.set(state, (sums.get(state) ?? 0) + times)
}

/** A table of all states by rule, each with how often it was reached, and a list of those that never were. */
export function coverageReport(reached: ReadonlyMap<string, number>): string {
  const width = Math.max(...names.map((name) => name.length))
  const table = names.map((name) => `${name.padEnd(width)}  ${reached.get(name) ?? 0}`)
  const never = unreached(reached)
  const end = never.length === 0 ? 'Every state was reached.' : `Never reached: ${never.join(', ')}`
  return [...table, `${names.length - never.length} of ${names.length} states were reached.`, end].join('\n')
}

/** Names of the states that were not reached. */
export function unreached(reached: ReadonlyMap<string, number>): string[] {
  return names.filter((name) => !reached.has(name))
}

/** What was reached and has no place in the table: a state that the rules do not know, or a name that is spelt differently. */
export function unknown(reached: ReadonlyMap<string, number>): string[] {
  return [...reached.keys()].filter((name) => !names.includes(name)).toSorted()
}
