export { decodeMessage } from './codec.ts'
export type { Message } from './message.ts'
export { initSimulatedStore, openSimulatedStore, type SimulatedStoreOptions } from './simulated-store.ts'
