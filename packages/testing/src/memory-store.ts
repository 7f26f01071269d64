import type { LogStore, StoreIdentity } from '@verdict/raft'
import { initSimulatedStore, openSimulatedStore } from '@verdict/raft/internal'
import { MemoryDisk } from './memory-disk.ts'

/** The store of a new replica that lives no longer than its process: for tests alone. */
export function memoryStore(identity: StoreIdentity): LogStore {
  const disk = new MemoryDisk()
  initSimulatedStore({ ...identity, disk })
  return openSimulatedStore({ ...identity, disk })
}
