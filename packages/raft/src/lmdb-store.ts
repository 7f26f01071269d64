import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { OwnedElsewhereError, Ownership } from '@verdict/runtime'
import { open, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb'
import { decodeEntry, encodeEntry } from './codec.ts'
import { StoreError } from './errors.ts'
import { entryBytes } from './log.ts'
import type { Entry, LogIndex, Term } from './message.ts'
import {
  checkIdentity,
  damaged,
  decodeStoredState,
  encodeIdentity,
  encodeStoredState,
  refuseInitialised,
  uninitialised,
} from './record.ts'
import type { LogStore, StoreBatch, StoredState, StoreIdentity } from './store.ts'

export interface LmdbStoreOptions extends StoreIdentity {
  /** Folder of the store. Nothing else belongs into it. */
  readonly path: string
}

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

// All keys of a store, by their first byte.
const identityKey = Buffer.from('I')
const stateKey = Buffer.from('H')
const logPrefix = 'L'
const spacePrefix = 'S'
const afterAllKeys = Buffer.from([0xff])

/**
 * Makes the store of a new replica.
 * @throws StoreError `initialised` when the folder holds a store, `in-use` when somebody has it open.
 */
export async function initLmdbStore(options: LmdbStoreOptions): Promise<void> {
  mkdirSync(options.path, { recursive: true })
  const opened = openOwned(options.path)
  const { database } = opened
  try {
    refuseInitialised(unseal(database.get(identityKey), options.path), options.path)
    const state = encodeStoredState({
      hardState: { term: 0 as Term, votedFor: undefined },
      appliedIndex: 0 as LogIndex,
    })
    await onDisk(
      database.batch(() => {
        putNow(database, identityKey, seal(encodeIdentity(options)))
        putNow(database, stateKey, seal(state))
      }),
      options.path,
    )
  } finally {
    await close(opened)
  }
}

/**
 * Opens the store of a replica. It is this process's alone until it is closed or the process ends: two replicas on one store
 * would vote twice in a term. A folder without a store is left as it is.
 * @throws StoreError when the folder holds none, one that is in use, another's, one of a later version, or a damaged one.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<LogStore> {
  const { path } = options
  if (!holdsData(path)) throw uninitialised(options, path)
  const opened = openOwned(path)
  try {
    checkIdentity(unseal(opened.database.get(identityKey), path), options, path)
    return new LmdbStore(path, opened)
  } catch (error) {
    await close(opened)
    throw error
  }
}

interface Opened {
  readonly ownership: Ownership
  readonly database: RootDatabase<Buffer, Buffer>
}

class LmdbStore implements LogStore {
  state: StoredState
  lastIndex: LogIndex
  private readonly path: string
  private readonly opened: Opened
  private readonly database: RootDatabase<Buffer, Buffer>
  private writing: Promise<void> = Promise.resolve()
  private failure: StoreError | undefined

  constructor(path: string, opened: Opened) {
    this.path = path
    this.opened = opened
    this.database = opened.database
    const state = unseal(this.database.get(stateKey), path)
    if (state === undefined) throw damaged(path, 'term and vote')
    this.state = decodeStoredState(state, path)
    this.lastIndex = this.findLastIndex()
  }

  read(from: LogIndex, maxEntries: number, maxBytes: number): readonly Entry[] {
    const entries: Entry[] = []
    const range = this.database.getRange({ start: logKey(from), end: logKey(from + maxEntries) })
    let bytes = 0
    for (const { key, value } of range) {
      const index = indexOf(key)
      if (index !== from + entries.length) throw damaged(this.path, `entry ${from + entries.length}`)
      const entry = this.unsealEntry(index, value)
      bytes += entryBytes(entry)
      if (bytes > maxBytes && entries.length > 0) break
      entries.push(entry)
    }
    return entries
  }

  get(key: string): Uint8Array | undefined {
    return this.database.get(spaceKey(key))
  }

  list(prefix: string, limit: number, after = ''): readonly (readonly [key: string, value: Uint8Array])[] {
    const range = this.database.getRange({
      start: spaceKey(after > prefix ? after : prefix),
      end: Buffer.concat([spaceKey(prefix), afterAllKeys]),
      exclusiveStart: after >= prefix,
      limit,
    })
    return [...range].map(({ key, value }) => [key.toString('latin1', 1), value] as const)
  }

  async write(batch: StoreBatch): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    const last = batch.entries.at(-1)?.index ?? this.lastIndex
    // The promise of the batch itself is the one that stands behind the flushes; see `durability`.
    this.writing = onDisk(
      this.database.batch(() => this.put(batch, last)),
      this.path,
    )
    try {
      await this.writing
    } catch (error) {
      if (error instanceof StoreError) this.failure = error
      throw error
    }
    this.state = { hardState: batch.hardState, appliedIndex: batch.appliedIndex }
    this.lastIndex = last
  }

  async close(): Promise<void> {
    // A write that failed has told whoever waited for it.
    await this.writing.catch(() => {})
    await close(this.opened)
  }

  private put({ hardState, appliedIndex, entries, changes }: StoreBatch, last: number): void {
    const { database } = this
    putNow(database, stateKey, seal(encodeStoredState({ hardState, appliedIndex })))
    for (const entry of entries) {
      const key = logKey(entry.index)
      putNow(database, key, seal(encodeEntry(entry), key))
    }
    for (let index = last + 1; index <= this.lastIndex; index++) removeNow(database, logKey(index))
    for (const [key, value] of changes) {
      if (value === undefined) removeNow(database, spaceKey(key))
      else putNow(database, spaceKey(key), Buffer.from(value.buffer, value.byteOffset, value.byteLength))
    }
  }

  private findLastIndex(): LogIndex {
    const [last] = this.database.getKeys({
      start: logKey(Number.MAX_SAFE_INTEGER),
      end: logKey(0),
      reverse: true,
      limit: 1,
    })
    return last === undefined ? (0 as LogIndex) : indexOf(last)
  }

  private unsealEntry(index: LogIndex, value: Buffer): Entry {
    try {
      return decodeEntry(unseal(value, this.path, logKey(index)) ?? value, index)
    } catch (cause) {
      throw damaged(this.path, `entry ${index}`, cause)
    }
  }
}

/** @throws StoreError `failed` when the folder may not be looked into, which says nothing of what it holds. */
function holdsData(path: string): boolean {
  try {
    return statSync(join(path, dataFile), { throwIfNoEntry: false }) !== undefined
  } catch (cause) {
    throw cannotOpen(path, cause)
  }
}

/** @throws StoreError `in-use` when somebody has the store, before LMDB touches it. */
function openOwned(path: string): Opened {
  const ownership = own(path)
  try {
    return { ownership, database: openDatabase(path) }
  } catch (error) {
    ownership.release()
    throw error
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

async function close({ ownership, database }: Opened): Promise<void> {
  await database.close()
  ownership.release() // last: until here the database is this process's
}

function openDatabase(path: string): RootDatabase<Buffer, Buffer> {
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

// Inside a batch the promises of single writes mean nothing: the batch's own is awaited.
function putNow(database: RootDatabase<Buffer, Buffer>, key: Buffer, value: Buffer): void {
  void database.put(key, value)
}

function removeNow(database: RootDatabase<Buffer, Buffer>, key: Buffer): void {
  void database.remove(key)
}

/** @throws StoreError with lmdb's own reason, which it keeps in a promise of its own. */
async function onDisk(batch: Promise<boolean>, path: string): Promise<void> {
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

async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error
  try {
    await error.commitError
    return error
  } catch (reason) {
    return reason
  }
}

/** Puts a checksum before a value; over the key too where values could be swapped. */
function seal(value: Uint8Array, key?: Buffer): Buffer {
  const sealed = Buffer.allocUnsafe(4 + value.length)
  sealed.set(value, 4)
  sealed.writeUInt32BE(crc32(value, key === undefined ? 0 : crc32(key)))
  return sealed
}

/** @throws StoreError when the checksum is not the value's. */
function unseal(sealed: Buffer | undefined, path: string, key?: Buffer): Buffer | undefined {
  if (sealed === undefined) return undefined
  const value = sealed.subarray(4)
  if (sealed.length < 4 || sealed.readUInt32BE() !== crc32(value, key === undefined ? 0 : crc32(key))) {
    throw damaged(path, 'a record')
  }
  return value
}

function logKey(index: number): Buffer {
  const key = Buffer.allocUnsafe(9)
  key.write(logPrefix, 'latin1')
  key.writeBigUInt64BE(BigInt(index), 1)
  return key
}

function indexOf(key: Buffer): LogIndex {
  return Number(key.readBigUInt64BE(1)) as LogIndex
}

function spaceKey(key: string): Buffer {
  return Buffer.from(spacePrefix + key, 'latin1')
}
