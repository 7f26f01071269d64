import { Simulation } from '@verdict/runtime/simulated'
import { describe } from 'vitest'
import { initSimulatedStore, openSimulatedStore } from '../src/simulated-store.ts'
import { describeSnapshots } from './snapshot-contract.ts'
import { describeStore, type StorePlace } from './store-contract.ts'

describe('on a simulated disk', () => {
  const run = async (body: (place: StorePlace) => Promise<void>): Promise<void> => {
    const simulation = new Simulation({ seed: 1 })
    let ended: Promise<void> | undefined
    let isOver = false
    const process = simulation.process('n1', (world) => {
      ended = body({
        init: async (identity) => initSimulatedStore({ ...identity, disk: process.disk }),
        open: async (identity) => openSimulatedStore({ ...identity, disk: world.disk }),
      }).finally(() => {
        isOver = true
      })
      return ended
    })
    process.start()
    await simulation.runUntil(() => isOver, { withinMs: 1000 })
    await ended
  }
  describeStore(run)
  describeSnapshots(run)
})
