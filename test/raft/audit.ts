import type { Group } from './group.ts'
import type { Load } from './load.ts'

/** What a ledger says against what whoever proposed was told. Each list is empty if all is well. */
export interface Audit {
  /** Acknowledged, and not in the ledger. */
  readonly lost: readonly string[]
  /** Applied more than once, though nobody proposed it more than once. */
  readonly twice: readonly string[]
  /** In the ledger, though nobody proposed it. */
  readonly strange: readonly string[]
  /** Replicas whose ledger differs from the first one's. */
  readonly differing: readonly string[]
}

export const flawless: Audit = { lost: [], twice: [], strange: [], differing: [] }

/** Holds the ledgers of all replicas that run against what was told, and against each other. */
export async function audit(group: Group, load: Load): Promise<Audit> {
  const running = [...group.replicas.values()].filter(({ service }) => service.running)
  const ledgers = await Promise.all(running.map(({ id }) => group.ledgerOf(id)))
  const [first = new Map<string, number>()] = ledgers
  const text = JSON.stringify([...first])
  return {
    lost: [...load.acknowledged].filter((command) => !first.has(command)),
    twice: [...[...first].filter(([, times]) => times !== 1).map(([command]) => command), ...load.appliedAgain],
    strange: [...first.keys()].filter((command) => !load.sent.has(command)),
    differing: running.filter((_, place) => JSON.stringify([...(ledgers[place] ?? [])]) !== text).map(({ id }) => id),
  }
}
