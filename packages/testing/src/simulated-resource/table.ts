import type { Connection } from './connection.ts'
import type { SimulatedValue } from './tables.ts'

/** The table of the simulated database, inside one branch. Each statement takes its row's lock and keeps it. */
export interface SimulatedTable {
  /** Reads a committed value, or one's own, under a shared lock. */
  get(key: string): Promise<SimulatedValue | undefined>
  put(key: string, value: SimulatedValue): Promise<void>
  /**
   * Adds `delta` to a number (0 when there is none) and gives the sum.
   * @throws SimulatedSqlError `23514` when the sum is below `min`; the branch can only be rolled back then.
   */
  add(key: string, delta: number, options?: { readonly min?: number }): Promise<number>
}

/** What operations on a simulated resource work with. */
export interface SimulatedSession {
  readonly table: SimulatedTable
}

/** The table as one branch sees it. `check` throws once the branch has ended. */
export function tableOn(connection: Connection, check: () => void): SimulatedTable {
  return {
    async get(key) {
      check()
      return connection.request((backend) => backend.get(key))
    },
    async put(key, value) {
      check()
      await connection.request((backend) => backend.put(key, value))
    },
    async add(key, delta, { min = Number.NEGATIVE_INFINITY } = {}) {
      check()
      return connection.request((backend) => backend.add(key, delta, min))
    },
  }
}
