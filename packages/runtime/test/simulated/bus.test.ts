import { Simulation } from '@verdict/runtime/simulated'
import { describeBus } from '../bus-contract.ts'

const patienceMs = 1000

describeBus('the simulated bus', async () => {
  const simulation = new Simulation({ seed: 1 })
  const until = (condition: () => boolean): Promise<void> => simulation.runUntil(condition, { withinMs: patienceMs })
  return {
    until,
    async open(name) {
      const process = simulation.process(name)
      process.start()
      return process.world.bus
    },
    async settled(promise) {
      let done = false
      void promise.finally(() => {
        done = true
      })
      await until(() => done)
    },
    async [Symbol.asyncDispose]() {},
  }
})
