import type { Resource } from '@verdict/participant'
import { systemClock, systemRandom } from '@verdict/runtime'
import { SimulatedDatabase } from './simulated-resource/database.ts'
import { simulatedResource } from './simulated-resource/resource.ts'
import type { SimulatedSession } from './simulated-resource/table.ts'
import type { SimulatedValue } from './simulated-resource/tables.ts'

/** A resource in memory, with what a test wants to know of it. */
export interface MemoryResource extends Resource<SimulatedSession> {
  /** A committed value. */
  value(key: string): SimulatedValue | undefined
  /** How many branches are prepared and wait for their outcome. */
  prepared(): number
}

/**
 * A resource for unit tests of a service's operations: a table of keys with locks, in memory, that answers at once and never
 * fails. Everything about transactions is real, nothing is durable.
 *
 * @param values what the table holds at first.
 */
export function memoryResource(values: Readonly<Record<string, SimulatedValue>> = {}): MemoryResource {
  const faults = { latencyMs: [0, 0], flushMs: [0, 0], noticeMs: [0, 0] } as const
  const database = new SimulatedDatabase({ clock: systemClock, random: systemRandom, faults, values })
  return Object.assign(simulatedResource(database, { clock: systemClock, instance: 'memory' }), {
    value: (key: string) => database.value(key),
    prepared: () => database.prepared().length,
  })
}
