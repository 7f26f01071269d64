import { type Clock, systemClock, systemRandom } from '@verdict/runtime'
import { type ResourceHarness, SimulatedDatabase, type SimulatedSession, simulatedResource } from '@verdict/testing'

/** The system's clock as a process sees it that can die: its timers die with it. */
function mortalClock(): { readonly clock: Clock; die(): void } {
  let isAlive = true
  const after: Clock['after'] = (delayMs, callback) => systemClock.after(delayMs, () => isAlive && callback())
  return {
    clock: { ...systemClock, after },
    die() {
      isAlive = false
    },
  }
}

/** The simulated database on the real clock, slow enough for things to happen at the same time. */
export const simulatedHarness: ResourceHarness<SimulatedSession> = {
  lacks: ['unfit'],
  async create() {
    const database = new SimulatedDatabase({
      clock: systemClock,
      random: systemRandom,
      faults: { latencyMs: [0, 1], flushMs: [0, 2], noticeMs: [0, 3] },
    })
    let instances = 0
    let life = mortalClock()
    return {
      isShared: true,
      instance() {
        instances += 1
        return simulatedResource(database, { clock: life.clock, instance: `instance ${instances}`, capacity: 100 })
      },
      read: async ({ table }, key) => (await table.get(key))?.toString(),
      write: ({ table }, key, value) => table.put(key, value),
      committed: async (key) => database.value(key)?.toString(),
      async crash() {
        life.die()
        life = mortalClock()
        database.crash()
        database.restart()
      },
      spoil: async ({ table }) => void (await table.add('stock', -1, { min: 0 })),
      losePrepareAnswer: () => database.setFaults({ uncertainPrepare: 1 }),
      loseCommitAnswer: () => database.setFaults({ uncertainCommit: 1 }),
      failover: async () => void database.failover({ kind: 'newest', records: 0 }),
      dispose: async () => database.crash(),
    }
  },
}
