import { statSync } from 'node:fs'
import { join } from 'node:path'
import { OwnedElsewhereError, Ownership } from '@verdict/runtime'
import { open, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb'
import { StoreError } from './errors.ts'

/**
 * Every option that decides whether a resolved promise means "on disk". With these lmdb 3.5.6 writes a batch's pages, calls
 * fdatasync, writes the new root through a descriptor opened with O_DSYNC, and only then resolves the batch's promise: both
 * device flushes are behind it. `noSync`, `noMetaSync`, `useWritemap` and `mapAsync` would each take a flush away.
 */
const durability = {
  overlappingSync: false,
  noSync: false,
  noMetaSync: false,
  useWritemap: false,
  mapAsync: false,
} as const

/** The map's first size. It grows by itself; this spares a young store the first few times. */
const initialMapBytes = 64 * 1024 * 1024

// Names in a store's folder. The first is LMDB's own. The second lies inside, so that whoever reaches the store by another
// path, through a link or in a container that has only this folder, meets the same lock.
const dataFile = 'data.mdb'
const ownerFile = 'owner'

export type Database = RootDatabase<Buffer, Buffer>

/** A database that is this process's alone until it is closed. */
export interface OwnedDatabase {
  readonly database: Database
  readonly ownership: Ownership
}

/** @throws StoreError `failed` when the folder may not be looked into, which says nothing of what it holds. */
export function holdsData(path: string): boolean {
  return dataBytes(path) !== undefined
}

/** How large the file with the data is; undefined when there is none. @throws StoreError `failed` as `holdsData`. */
export function dataBytes(path: string): number | undefined {
  try {
    return statSync(join(path, dataFile), { throwIfNoEntry: false })?.size
  } catch (cause) {
    throw cannotOpen(path, cause)
  }
}

/** @throws StoreError `in-use` when somebody has the store, before LMDB touches it. */
export function openOwned(path: string): OwnedDatabase {
  const ownership = own(path)
  try {
    return { ownership, database: openDatabase(path) }
  } catch (error) {
    ownership.release()
    throw error
  }
}

export async function closeOwned({ ownership, database }: OwnedDatabase): Promise<void> {
  await database.close()
  ownership.release() // last: until here the database is this process's
}

/** Waits for a batch. @throws StoreError with lmdb's own reason, which it keeps in a promise of its own. */
export async function onDisk(batch: Promise<boolean>, path: string): Promise<void> {
  try {
    await batch
  } catch (error) {
    const cause: unknown = await reasonOf(error)
    throw new StoreError(
      'failed',
      `A write to ${path} failed: ${String(cause)}. Nothing of it was acknowledged. Make room or replace the disk, then start ` +
        'the replica again.',
      { cause },
    )
  }
}

function own(path: string): Ownership {
  try {
    return new Ownership(join(path, ownerFile))
  } catch (cause) {
    if (!(cause instanceof OwnedElsewhereError)) throw cannotOpen(path, cause)
    throw new StoreError(
      'in-use',
      `The store in ${path} is in use by ${cause.holder}. One process owns a store, else its replica could vote twice in a ` +
        'term: stop that process first, or point this one to the store of its own replica.',
      { cause },
    )
  }
}

function openDatabase(path: string): Database {
  const options = {
    path,
    ...durability,
    noSubdir: false, // else a dot in the folder's name decides
    encoding: 'binary',
    keyEncoding: 'binary',
    mapSize: initialMapBytes,
    maxDbs: 1,
  } as const satisfies RootDatabaseOptionsWithPath & typeof durability
  try {
    return open<Buffer, Buffer>(options)
  } catch (cause) {
    throw cannotOpen(path, cause)
  }
}

function cannotOpen(path: string, cause: unknown): StoreError {
  return new StoreError('failed', `The store in ${path} cannot be opened: ${String(cause)}.`, { cause })
}

async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error
  try {
    await error.commitError
    return error
  } catch (reason) {
    return reason
  }
}
