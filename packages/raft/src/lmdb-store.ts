import { mkdirSync } from 'node:fs'
import { closeOwned, holdsData, openOwned } from './lmdb-database.ts'
import { LmdbMedium } from './lmdb-medium.ts'
import { MediumStore, putFirstRecords } from './medium-store.ts'
import { foundingState, refuseInitialised, uninitialised } from './record.ts'
import type { LogStore, StoreIdentity } from './store.ts'

export interface LmdbStoreOptions extends StoreIdentity {
  /** Folder of the store. Nothing else belongs into it. */
  readonly path: string
  /**
   * A store whose file has grown beyond this takes no more writes; `defaultMaxMapBytes` when absent. The log alone may come to a good
   * 1 GiB while a follower catches up.
   */
  readonly maxMapBytes?: number
}

/** Far above what a group keeps that settles and compacts; below what fills a small disk unnoticed. */
const defaultMaxMapBytes: number = 16 * 1024 * 1024 * 1024

/**
 * Makes the store of a new replica.
 * @throws ConfigurationError when the group cannot be made so; StoreError `initialised` when the folder holds a store, `in-use`
 * when somebody has it open.
 */
export async function initLmdbStore(options: LmdbStoreOptions): Promise<void> {
  const { path, maxMapBytes = defaultMaxMapBytes } = options
  foundingState(options) // whatever is wrong with the group is said before anything is written
  mkdirSync(path, { recursive: true })
  const medium = new LmdbMedium(path, openOwned(path), maxMapBytes)
  try {
    refuseInitialised(medium.record('identity'), path)
    await medium.commit((writer) => putFirstRecords(writer, options))
  } finally {
    await medium.close()
  }
}

/**
 * Opens the store of a replica. It is this process's alone until it is closed or the process ends: two replicas on one store
 * would vote twice in a term. A folder without a store is left as it is. Nothing is written before the first write.
 * @throws StoreError when the folder holds none, one that is in use, another's, one of a later version, or a damaged one.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<LogStore> {
  const { path, maxMapBytes = defaultMaxMapBytes } = options
  if (!holdsData(path)) throw uninitialised(options, path)
  const owned = openOwned(path)
  try {
    return new MediumStore(new LmdbMedium(path, owned, maxMapBytes), options)
  } catch (error) {
    await closeOwned(owned)
    throw error
  }
}
