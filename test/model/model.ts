/**
 * Visits every state of small worlds in which the product's own cores run: `npm run model`, some of them: `npm run model -- commit
 * reruns`, larger ones: `npm run model -- --large`; `npm run model -- --mutants` takes rules out, one at a time, and sees that each
 * gives a counterexample.
 */
import { availableParallelism } from 'node:os'
import { type Mutant, mutants } from './mutants.ts'
import { largeScenarios, scenarios } from './scenarios.ts'
import { type Found, search } from './search.ts'
import { Workbench } from './workbench.ts'

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const isFailure = process.argv.includes('--mutants') ? await missMutants() : searchAll()
process.exitCode = isFailure ? 1 : 0

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

/** Whether some rule was taken out and not missed. */
async function missMutants(): Promise<boolean> {
  const waiting = mutants.filter(({ fault }) => words.every((word) => fault.includes(word)))
  const total = waiting.length
  let caught = 0
  const work = async (): Promise<void> => {
    await using bench = await Workbench.open()
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift())
      if (await catchOne(bench, mutant)) caught += 1
  }
  await Promise.all(Array.from({ length: Math.min(total, availableParallelism()) }, work))
  console.log(`${total} rules taken out, ${caught} caught`)
  return total === 0 || caught < total
}

async function catchOne(bench: Workbench, mutant: Mutant): Promise<boolean> {
  const { found, output } = await bench.without(mutant)
  console.log(`${found ? 'caught' : 'NOT CAUGHT'}: ${mutant.fault}\n${output}`)
  return found
}
