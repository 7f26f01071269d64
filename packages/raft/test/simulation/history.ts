import { Administrator } from './administrator.ts'
import { Clients } from './clients.ts'
import { Faults } from './faults.ts'
import { Group, simulationOf } from './group.ts'
import { byObject, linearize, type Operation } from './linearizability.ts'
import { type Call, register, withoutUnseen } from './register.ts'
import { drawCircumstances } from './weather.ts'

/** How long things go wrong, in shortest election time-outs: enough for some elections, few enough for many seeds. */
const faultyTimeouts = 30
/** How long everything may take afterwards until it is decided and everywhere, in shortest election time-outs. */
const recoveryTimeouts = 120

/** What `npm test` runs. They yield first when the time budget in CONTRIBUTING.md is spent; `npm run simulate:raft` has the others. */
export const testedSeeds = { from: 1, count: 800 }

/** What a history came to. One in which nothing happens proves nothing. */
export interface History {
  readonly replicas: number
  readonly virtualMs: number
  readonly operations: number
  readonly uncertain: number
  readonly terms: number
  readonly faults: ReadonlyMap<string, number>
  readonly events: ReadonlyMap<string, number>
  readonly traceHash: string
}

/**
 * One history of a group, of which the seed decides everything: faults for a while, then peace, in which everything is decided.
 * @throws Error when a promise of Raft was broken; its text says how to see it again.
 */
export async function runHistory(seed: number, print?: (line: string) => void): Promise<History> {
  try {
    return await run(seed, print)
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${what}\nTo see it again: npm run simulate:raft -- --from ${seed} --trace`, { cause })
  }
}

async function run(seed: number, print?: (line: string) => void): Promise<History> {
  const simulation = simulationOf(seed, print)
  const circumstances = drawCircumstances(simulation.random.fork('circumstances'))
  simulation.note('circumstances', JSON.stringify(circumstances))
  const group = new Group(simulation, circumstances)
  const clients = new Clients(group)
  const faults = new Faults(group)
  const administrator = new Administrator(group)
  const { timeoutMs } = circumstances

  group.revive()
  clients.start()
  faults.start()
  administrator.start()
  await simulation.run({ untilMs: faultyTimeouts * timeoutMs })

  faults.stop()
  administrator.stop()
  clients.stop()
  const withinMs = recoveryTimeouts * timeoutMs
  await simulation.runUntil(() => clients.idle && group.isLevel, { withinMs })
  clients.finish()
  await simulation.runUntil(() => clients.idle && group.isLevel, { withinMs })

  const { operations } = clients
  checkLinearizable(operations)
  group.checkSpaces()
  return {
    replicas: group.members.length,
    virtualMs: simulation.nowMs,
    operations: operations.length,
    uncertain: clients.uncertain,
    terms: group.invariants.terms,
    faults: faults.struck,
    events: group.events,
    traceHash: simulation.trace.hash,
  }
}

/** @throws Error with the operations around the one that cannot have been answered so. */
function checkLinearizable(operations: readonly Operation<Call, string>[]): void {
  for (const [key, ofKey] of byObject(withoutUnseen(operations), (call) => call.key)) {
    const { outcome, order } = linearize(register, ofKey)
    if (outcome === 'linearizable') continue
    const placed = new Set(order)
    const left = ofKey.filter((operation) => !placed.has(operation))
    const lines = [...order.slice(-5), ...left.slice(0, 5)].map(
      (operation) => `  ${placed.has(operation) ? 'in order' : 'no place'} ${JSON.stringify(operation)}`,
    )
    throw new Error(`That the operations of ${key} happened one after the other is ${outcome}:\n${lines.join('\n')}`)
  }
}
