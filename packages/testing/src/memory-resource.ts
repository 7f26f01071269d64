import type { Resource } from '@verdict/participant'
import { type InstanceId, makeToken } from '@verdict/protocol'
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
 * A database in memory that answers at once and never fails, for several lives of one service: each takes a `memoryResource` on it.
 *
 * @param values what its table holds at first.
 */
export function memoryDatabase(values: Readonly<Record<string, SimulatedValue>> = {}): SimulatedDatabase {
  const faults = { latencyMs: [0, 0], flushMs: [0, 0], noticeMs: [0, 0] } as const
  return new SimulatedDatabase({ clock: systemClock, random: systemRandom, faults, values })
}

/**
 * A resource for unit tests of a service's operations: a table of keys with locks, in memory, that answers at once and never
 * fails. Everything about transactions is real, nothing is durable.
 *
 * @param held what the table holds at first, or the database that it is in.
 */
export function memoryResource(
  held: SimulatedDatabase | Readonly<Record<string, SimulatedValue>> = {},
): MemoryResource {
  const database = held instanceof SimulatedDatabase ? held : memoryDatabase(held)
  const instance = makeToken<InstanceId>(systemRandom.bytes(12))
  return Object.assign(simulatedResource(database, { clock: systemClock, instance }), {
    value: (key: string) => database.value(key),
    prepared: () => database.prepared().length,
  })
}
