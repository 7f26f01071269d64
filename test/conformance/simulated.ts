import type { Clock, Random } from '@verdict/runtime'
import { type ResourceHarness, SimulatedDatabase, type SimulatedSession, simulatedResource } from '@verdict/testing'

const clock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

const random: Random = { bytes: (length) => new Uint8Array(length), fraction: () => Math.random() }

/** The simulated database on the real clock, slow enough for things to happen at the same time. */
export const simulatedHarness: ResourceHarness<SimulatedSession> = {
  lacks: ['unfit'],
  async create() {
    const database = new SimulatedDatabase({
      clock,
      random,
      faults: { latencyMs: [0, 1], flushMs: [0, 2], noticeMs: [0, 3] },
    })
    let instances = 0
    return {
      isShared: true,
      instance() {
        instances += 1
        return simulatedResource(database, { clock, instance: `instance ${instances}`, capacity: 100 })
      },
      read: async ({ table }, key) => (await table.get(key))?.toString(),
      write: ({ table }, key, value) => table.put(key, value),
      committed: async (key) => database.value(key)?.toString(),
      async crash() {
        database.crash()
        database.restart()
      },
      spoil: async ({ table }) => void (await table.add('stock', -1, { min: 0 })),
      losePrepareAnswer: () => database.setFaults({ uncertainPrepare: 1 }),
      failover: async () => void database.failover({ kind: 'newest', records: 0 }),
      dispose: async () => database.crash(),
    }
  },
}
