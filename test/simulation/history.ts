import { Simulation } from '@verdict/runtime/simulated'
import { describePayload } from './describe-payload.ts'
import { drawWeather, Faults } from './faults.ts'
import { Invariants } from './invariants.ts'
import { drawPace } from './pace.ts'
import { System } from './system.ts'

/** Longest stormy part of a history. */
const maxStormMs = 12_000
/** Once faults have stopped, all must be decided, finished and at rest within this: several of the longest pauses between retries. */
const restWithinMs = 90_000
/** At rest, a little more time shows whether anything moves again by itself. */
const afterglowMs = 2_000

/** What one history was made of. */
export interface History {
  readonly seed: number
  readonly committed: number
  readonly aborted: number
  /** Of the committed ones those that a participant decided alone. */
  readonly lone: number
  readonly told: number
  readonly faults: Readonly<Record<string, number>>
  readonly virtualMs: number
  /** Hash of all events: the same on every run of the seed. */
  readonly traceHash: string
}

/**
 * Runs the whole system through one history that the seed decides, with every invariant checked at each step.
 * @throws SimulationError with the seed, the moment, and the last events.
 */
export async function runHistory(
  seed: number,
  options: { readonly print?: (line: string) => void } = {},
): Promise<History> {
  const trace = { describe: describePayload, ...(options.print === undefined ? {} : { print: options.print }) }
  const simulation = new Simulation({ seed, trace })
  const random = simulation.random.fork('shape')
  const size = {
    replicas: random.chance(0.9) ? 3 : 5,
    banks: random.integer(2, 3),
    instances: random.integer(1, 2),
    clients: random.integer(1, 3),
  }
  const plan = {
    transactions: random.integer(3, 10),
    oneShots: random.pick([0, 0.5, 1]),
    lone: random.pick([0, 0.3, 1]),
    glances: random.pick([0, 0.2, 0.8]),
    audits: random.pick([0, 0.2]),
    kept: random.pick([0, 0.5, 1]),
    budgetMs: random.pick([300, 4_000]),
  }
  const system = new System(simulation, size, plan, drawPace(random.fork('pace')))
  const invariants = new Invariants(system)
  simulation.network.observe((message) => invariants.departed(message))
  simulation.afterEachStep(() => invariants.step())
  const faults = new Faults(system, drawWeather(random.fork('weather')))
  system.start()
  faults.start()
  await simulation.run({ untilMs: random.integer(1_000, maxStormMs) })
  faults.stop()
  const finished = (): boolean => system.clients.every((client) => client.finished)
  await rest(simulation, invariants, () => finished() && invariants.leftovers().length === 0, restWithinMs)
  await simulation.run({ untilMs: simulation.nowMs + afterglowMs })
  await rest(
    simulation,
    invariants,
    () => invariants.leftovers().length === 0 && invariants.replicasAgree(),
    afterglowMs,
  )
  invariants.atRest()
  return {
    seed,
    ...invariants.counts,
    told: system.clients.reduce((sum, { told }) => sum + told.length, 0),
    faults: faults.struck,
    virtualMs: simulation.nowMs,
    traceHash: simulation.trace.hash,
  }
}

async function rest(
  simulation: Simulation,
  invariants: Invariants,
  isAtRest: () => boolean,
  withinMs: number,
): Promise<void> {
  try {
    await simulation.runUntil(isAtRest, { withinMs })
  } catch (error) {
    const left = invariants.leftovers().join('\n')
    throw new Error(`${error instanceof Error ? error.message : String(error)}\nNot at rest:\n${left}`, {
      cause: error,
    })
  }
}
