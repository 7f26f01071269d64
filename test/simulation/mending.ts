import type { Invariants } from './invariants.ts'
import type { System } from './system.ts'

/** How long all that can end by itself is given for it. */
const patienceMs = 20_000
/** How often an operator looks, and from which time on branches are ended by hand that no word ends. */
const roundMs = 2_000
const byHandFromRound = 15

/**
 * A person deals with what stores have lost, once faults have stopped: says so to the group, and in the end rolls back by hand what can
 * honour no outcome. What only a person can end may be in others' way until then.
 */
export function startMending(system: System, invariants: Invariants): void {
  const { simulation, operator, losses } = system
  const mend = (round: number): void => {
    for (const { id, participant, prepared } of invariants.mishaps()) {
      operator.resolve(id, participant)
      if (!prepared || round < byHandFromRound) continue
      losses.endedByHand(participant, id, simulation.nowMs)
      void system.bank(participant).database.endByHand(participant, id, 'rollback')
    }
    simulation.plan(roundMs, () => mend(round + 1))
  }
  simulation.plan(patienceMs, () => mend(0))
}
