import { Simulation } from '@verdict/runtime/simulated'
import { drawCircumstances } from './circumstances.ts'
import { Coverage } from './coverage.ts'
import { describePayload } from './describe-payload.ts'
import { Faults } from './faults.ts'
import { Invariants } from './invariants.ts'
import { startMending } from './mending.ts'
import { drawPace } from './pace.ts'
import { System } from './system.ts'

/** Once faults have stopped, all must be decided, finished and at rest within this: several of the longest pauses between retries. */
const restWithinMs = 90_000
/** At rest, a little more time shows whether anything moves again by itself. */
const afterglowMs = 2_000

/** Only groups that keep no more than this are waited for until they have forgotten all, and of those some: it costs virtual time. */
const maxAwaitedRetentionMs = 5_000
const awaitedShare = 0.4

/** What one history was made of. */
export interface History {
  readonly seed: number
  readonly committed: number
  readonly aborted: number
  /** Of the committed ones those that a participant decided alone. */
  readonly lone: number
  /** Transactions of which was told that they had expired, and those that were forgotten once they had been decided. */
  readonly expired: number
  readonly forgotten: number
  readonly told: number
  readonly faults: Readonly<Record<string, number>>
  /** Orders of operators that were answered, by what was done. */
  readonly orders: Readonly<Record<string, number>>
  /** How often each state of the protocol was reached. */
  readonly reached: ReadonlyMap<string, number>
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
  const { random } = simulation
  const { size, plan, weather, stormMs } = drawCircumstances(random.fork('circumstances'))
  const pace = drawPace(random.fork('pace'), plan.budgetMs)
  const system = new System(simulation, size, plan, pace)
  const coverage = new Coverage(system)
  const invariants = new Invariants(system)
  simulation.afterEachStep(() => invariants.step())
  const faults = new Faults(system, weather)
  system.start()
  faults.start()
  await simulation.run({ untilMs: stormMs })
  faults.stop()
  system.operator.stop()
  startMending(system, invariants)
  const finished = (): boolean => system.clients.every((client) => client.finished)
  const leftovers = (): string[] => invariants.leftovers()
  await rest(simulation, () => finished() && leftovers().length === 0, restWithinMs, leftovers)
  await simulation.run({ untilMs: simulation.nowMs + afterglowMs })
  await rest(simulation, () => leftovers().length === 0 && invariants.replicasAgree(), afterglowMs, leftovers)
  invariants.atRest()
  coverage.atRest(invariants.records())
  const isMended = (): boolean => invariants.leftovers().length === 0 && invariants.mishaps().length === 0
  await rest(simulation, isMended, restWithinMs, () => [
    ...leftovers(),
    ...invariants.mishaps().map((mishap) => JSON.stringify(mishap)),
  ])
  invariants.mended()
  // Of what stores lost, or was ended by hand, something may stay: a record that nobody has seen the end of, a row that it does not explain.
  const isAwaited =
    system.losses.firstAtMs === Number.POSITIVE_INFINITY &&
    random.fork('patience').chance(awaitedShare) &&
    pace.keptEpochs * pace.coordinator.epochMs <= maxAwaitedRetentionMs
  if (isAwaited)
    await rest(
      simulation,
      () => invariants.isForgotten(),
      restWithinMs,
      () => invariants.kept(),
    )
  return {
    seed,
    ...invariants.counts,
    told: system.clients.reduce((sum, { told }) => sum + told.length, 0),
    faults: faults.struck,
    orders: system.operator.done,
    reached: coverage.reached,
    virtualMs: simulation.nowMs,
    traceHash: simulation.trace.hash,
  }
}

async function rest(
  simulation: Simulation,
  isAtRest: () => boolean,
  withinMs: number,
  leftovers: () => readonly string[],
): Promise<void> {
  try {
    await simulation.runUntil(isAtRest, { withinMs })
  } catch (error) {
    const left = leftovers().join('\n')
    throw new Error(`${error instanceof Error ? error.message : String(error)}\nNot at rest:\n${left}`, {
      cause: error,
    })
  }
}
