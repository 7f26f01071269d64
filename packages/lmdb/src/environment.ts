import { open, type RootDatabase } from 'lmdb'
import { LmdbBrokenError } from './errors.ts'
import { mapBytes } from './limits.ts'

/** Who a key belongs to. Users' keys and Verdict's never meet. */
export type Space = 'data' | 'ended' | 'prepared' | 'meta' | 'floor'

/** One change of a batch; null removes. */
export interface Change {
  readonly space: Space
  readonly key: string
  readonly value: Uint8Array | null
}

export interface Entry {
  readonly key: string
  readonly value: Uint8Array
}

// The first byte of each key on disk; never to be changed.
const prefixes: Readonly<Record<Space, string>> = { data: 'd', ended: 'e', floor: 'f', meta: 'm', prepared: 'p' }

/**
 * The LMDB environment, opened so that a resolved write is durable: with these options and this exact version of lmdb a batch
 * resolves after the pages, and then the meta page, were flushed. Keys are ordered by their UTF-8 bytes.
 */
export class Environment {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>
  readonly #writing = new Set<Promise<void>>()
  #broken: LmdbBrokenError | undefined

  constructor(path: string) {
    this.#root = open<Uint8Array, Uint8Array>(path, {
      overlappingSync: false,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      mapSize: mapBytes,
    })
  }

  /** Set once a write failed: what is on disk is not known any more. */
  get broken(): LmdbBrokenError | undefined {
    return this.#broken
  }

  /** What is committed, and so durable. */
  get(space: Space, key: string): Uint8Array | undefined {
    return this.#root.get(keyBytes(space, key))
  }

  /** Committed entries whose keys lie between two texts, neither of them included, in the order of their keys. */
  *between(space: Space, after: string, before: string): Iterable<Entry> {
    for (const { key, value } of this.#root.getRange({ start: keyBytes(space, after), end: keyBytes(space, before) })) {
      const text = Buffer.from(key).toString('utf8', 1)
      if (text !== after) yield { key: text, value }
    }
  }

  /** Committed entries whose keys begin with `prefix` and come behind `after`, in the order of their keys. */
  *range(space: Space, { prefix = '', after }: { prefix?: string; after?: string } = {}): Iterable<Entry> {
    const start = keyBytes(space, after !== undefined && after > prefix ? after : prefix)
    const within = keyBytes(space, prefix)
    for (const { key, value } of this.#root.getRange({ start })) {
      const bytes = Buffer.from(key)
      if (!bytes.subarray(0, within.length).equals(within)) return
      const text = bytes.toString('utf8', 1)
      if (text !== after) yield { key: text, value }
    }
  }

  /**
   * Writes all changes or none. Durable when it resolves. Batches that come together are flushed together.
   * @throws LmdbBrokenError when this or an earlier write failed.
   */
  async write(changes: readonly Change[]): Promise<void> {
    if (this.#broken) throw this.#broken
    const writing = this.#write(changes)
    this.#writing.add(writing)
    try {
      await writing
    } finally {
      this.#writing.delete(writing)
    }
  }

  /** Waits for the writes under way, then closes. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#writing)
    await this.#root.close()
  }

  async #write(changes: readonly Change[]): Promise<void> {
    try {
      await this.#root.batch(() => {
        for (const { space, key, value } of changes) {
          if (value) void this.#root.put(keyBytes(space, key), value)
          else void this.#root.remove(keyBytes(space, key))
        }
      })
    } catch (cause) {
      this.#broken ??= new LmdbBrokenError(causeOf(cause))
      throw this.#broken
    }
  }
}

/** lmdb says only `Commit failed`; what happened stands beside it. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && 'commitError' in error ? error.commitError : error
}

function keyBytes(space: Space, key: string): Buffer {
  return Buffer.from(prefixes[space] + key)
}
