/**
 * Visits every state of small worlds in which the product's own cores run: `npm run model`, some of them: `npm run model -- commit
 * reruns`, larger ones: `npm run model -- --large`. `npm run mutants -- model` takes rules out, and sees that each gives a counterexample.
 */
import { largeScenarios, scenarios } from './scenarios.ts'
import { type Found, search } from './search.ts'

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'))
process.exitCode = searchAll() ? 1 : 0

/** Whether something was found that should not be, or not everything was searched. */
function searchAll(): boolean {
  const all = [...scenarios, ...largeScenarios]
  const unnamed = process.argv.includes('--large') ? largeScenarios : scenarios
  const chosen = words.length === 0 ? unnamed : all.filter(({ name }) => words.includes(name))
  if (chosen.length === 0) {
    console.log(`No scenario has this name. There are: ${all.map(({ name }) => `"${name}"`).join(', ')}.`)
    return true
  }
  let [states, transitions, seconds, isFailure] = [0, 0, 0, false]
  for (const scenario of chosen) {
    const { name, shows } = scenario
    const found = search(scenario)
    states += found.states
    transitions += found.transitions
    seconds += found.seconds
    isFailure ||= found.counterexample !== undefined || found.isCut
    console.log(`${line(name, found)}   ${shows}`)
    console.log(`  reached: ${found.reached.join('; ')}`)
    for (const text of explained(found)) console.log(text)
  }
  console.log(line('together', { states, transitions, seconds }))
  return isFailure
}

function line(
  name: string,
  { states, transitions, seconds }: Pick<Found, 'states' | 'transitions' | 'seconds'>,
): string {
  const counts = [`${states} states`, `${transitions} transitions`, `${seconds.toFixed(1)} s`]
  return `${name.padEnd(24)}${counts.map((count) => count.padStart(20)).join('')}`
}

function explained({ counterexample, isCut }: Found): readonly string[] {
  if (isCut) return ['  NOT ALL STATES: there are more than a search may keep in memory.']
  if (counterexample === undefined) return []
  const steps = counterexample.trace.map((step, place) => `  ${String(place + 1).padStart(3)}. ${step}`)
  return [`  COUNTEREXAMPLE: ${counterexample.what}`, ...steps]
}
