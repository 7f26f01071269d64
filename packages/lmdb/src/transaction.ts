import type { TransactionId } from '@verdict/protocol'
import { decode, encode, type Write } from './codec.ts'
import type { Environment } from './environment.ts'
import { LmdbLimitError, LmdbReadOnlyError } from './errors.ts'
import { maxBranchBytes, maxKeyBytes, maxListed } from './limits.ts'
import type { LockMode, LockOwner, LockTable } from './locks.ts'

/** A key with its value, as `list` gives it. */
export interface LmdbEntry {
  readonly key: string
  readonly value: unknown
}

/** What `list` gives: entries in the order of their keys' UTF-8 bytes. */
export interface LmdbListOptions {
  /** Only keys that begin so. Default: all. */
  readonly prefix?: string
  /** Only keys behind this one, to go on where a list ended. */
  readonly after?: string
  /** At most so many. Default and most: 1000. */
  readonly limit?: number
}

/**
 * The store as an operation works with it: values are plain data (what JSON knows, dates, bytes, bigints of 64 bits) under
 * texts of up to 1024 bytes. What a branch reads or writes stays locked until the transaction ends.
 * Each method throws LockTimeoutError when a lock is not free in time, LockDeadlockError when it never could be, LmdbLimitError when
 * something is too large; those that write throw LmdbReadOnlyError in an operation that is declared read-only.
 */
export interface LmdbStore {
  /** Reads a value; others may read it too. To change it afterwards, use `getForUpdate`. */
  get(key: string): Promise<unknown>
  /** Reads a value that is going to be changed; others wait. Of two that `get` and then `put` one fails. */
  getForUpdate(key: string): Promise<unknown>
  /** Writes a value, anything but undefined. */
  put(key: string, value: unknown): Promise<void>
  /** Removes a value; harmless when there is none. */
  delete(key: string): Promise<void>
  /** Lists entries. Until the transaction ends nobody can add or remove keys, in the whole store: list in small stores. */
  list(options?: LmdbListOptions): Promise<readonly LmdbEntry[]>
}

/** The lock of the set of keys as a whole. Locks of keys begin otherwise. */
const allKeys = 'all keys'

/** What a branch has done so far: writes that nobody else sees, and locks. It owns the locks, also once it is prepared. */
export class Transaction implements LmdbStore, LockOwner {
  readonly #environment: Environment
  readonly #locks: LockTable<Transaction>
  readonly #lockTimeoutMs: number
  readonly #readOnly: boolean
  readonly #writes: Map<string, Write>
  /** Whose it is, for those who wait for its locks. */
  readonly id: TransactionId | undefined
  #bytes = 0
  #isOpen = true

  constructor(
    environment: Environment,
    locks: LockTable<Transaction>,
    {
      lockTimeoutMs,
      readOnly,
      id,
    }: { readonly lockTimeoutMs: number; readonly readOnly: boolean; readonly id: TransactionId | undefined },
  ) {
    this.#environment = environment
    this.#locks = locks
    this.#lockTimeoutMs = lockTimeoutMs
    this.#readOnly = readOnly
    this.#writes = new Map()
    this.id = id
  }

  get writes(): ReadonlyMap<string, Write> {
    return this.#writes
  }

  /** From now on nothing can be asked of it; its locks stay. */
  close(): void {
    this.#isOpen = false
  }

  async get(key: string): Promise<unknown> {
    await this.#lockKey(key, 'shared')
    return plain(this.#read(key))
  }

  async getForUpdate(key: string): Promise<unknown> {
    await this.#lockKey(key, 'exclusive')
    return plain(this.#read(key))
  }

  async put(key: string, value: unknown): Promise<void> {
    if (value === undefined) throw new TypeError(`${key} cannot be set to undefined: use delete, or null as a value.`)
    this.#checkWritable(key)
    const bytes = encode(value)
    await this.#lockKey(key, 'exclusive')
    if (!this.#read(key)) await this.#lock(allKeys, 'intent')
    this.#write(key, bytes)
  }

  async delete(key: string): Promise<void> {
    this.#checkWritable(key)
    await this.#lockKey(key, 'exclusive')
    if (!this.#read(key)) return
    await this.#lock(allKeys, 'intent')
    this.#write(key, null)
  }

  async list({ prefix = '', after, limit = maxListed }: LmdbListOptions = {}): Promise<readonly LmdbEntry[]> {
    if (limit > maxListed) throw new LmdbLimitError(`list gives at most ${maxListed} entries: go on with \`after\`.`)
    await this.#lock(allKeys, 'shared')
    const entries: LmdbEntry[] = []
    for (const key of this.#keys(prefix, after)) {
      if (entries.length >= limit) break
      await this.#lockKey(key, 'shared')
      entries.push({ key, value: plain(this.#read(key)) })
    }
    return entries
  }

  /** The keys that a list goes through: nobody else can change their set meanwhile. */
  #keys(prefix: string, after: string | undefined): readonly string[] {
    const keys = new Set<string>()
    const own = [...this.#writes.keys()].filter((key) => key.startsWith(prefix) && isBehind(key, after))
    const most = maxListed + own.length // as many may be removed by this branch
    for (const { key } of this.#environment.range('data', { prefix, ...(after !== undefined && { after }) })) {
      keys.add(key)
      if (keys.size > most) break
    }
    for (const key of own) {
      if (this.#writes.get(key)) keys.add(key)
      else keys.delete(key)
    }
    return [...keys].toSorted(byBytes)
  }

  #read(key: string): Uint8Array | undefined {
    const own = this.#writes.get(key)
    return own === undefined ? this.#environment.get('data', key) : (own ?? undefined)
  }

  #write(key: string, write: Write): void {
    const size = (change: Write | undefined): number => (change === undefined ? 0 : key.length + (change?.length ?? 0))
    const bytes = this.#bytes + size(write) - size(this.#writes.get(key))
    if (bytes > maxBranchBytes) {
      throw new LmdbLimitError(
        `A branch writes at most ${maxBranchBytes} bytes: split the work into several transactions.`,
      )
    }
    this.#bytes = bytes
    this.#writes.set(key, write)
  }

  async #lockKey(key: string, mode: LockMode): Promise<void> {
    if (Buffer.byteLength(key) > maxKeyBytes) throw new LmdbLimitError(`A key has at most ${maxKeyBytes} bytes.`)
    await this.#lock(`key ${key}`, mode)
  }

  async #lock(lock: string, mode: LockMode): Promise<void> {
    this.#check()
    this.#locks.checkUpgrade(this, lock, mode)
    await this.#locks.acquire(this, lock, mode, this.#lockTimeoutMs)
    this.#check()
  }

  #checkWritable(key: string): void {
    if (this.#readOnly) throw new LmdbReadOnlyError(key)
  }

  #check(): void {
    if (!this.#isOpen) throw new Error('The branch has ended: nothing can be asked of its store any more.')
  }
}

function plain(bytes: Uint8Array | undefined): unknown {
  return bytes && decode(bytes)
}

function isBehind(key: string, after: string | undefined): boolean {
  return after === undefined || byBytes(key, after) > 0
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
