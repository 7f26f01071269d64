import {
  type BranchKey,
  type Collected,
  type HeldRow,
  type OpenBranch,
  type OpenOptions,
  type Resource,
  type ResourceContext,
  type ResourceFacts,
  ResourceRefusal,
  ResourceUnfitError,
  type Row,
} from '@verdict/participant'
import {
  type Digest,
  type Epoch,
  type GroupId,
  type Outcome,
  type ParticipantName,
  type Reason,
  reasonCodes,
  type TransactionId,
} from '@verdict/protocol'
import type { Ownership } from '@verdict/runtime'
import { LmdbBranch, type LmdbSession } from './branch.ts'
import { type LmdbClock, systemClock } from './clock.ts'
import { decode, encode } from './codec.ts'
import { Environment } from './environment.ts'
import { LmdbBrokenError, LmdbLimitError, LmdbReadOnlyError } from './errors.ts'
import { checkFileSystem, flushFolders } from './file-system.ts'
import { Journal } from './journal.ts'
import { defaultCapacity, maxListed } from './limits.ts'
import { LockDeadlockError, LockTable, LockTimeoutError } from './locks.ts'
import { takeStore } from './owner.ts'
import { type LmdbEntry, type LmdbListOptions, Transaction } from './transaction.ts'

export interface LmdbOptions {
  /** Folder of the store, on a local disk; it is made when it is not there. A file `<path>.owner` lies beside it. */
  readonly path: string
  /** Branches that may be open or prepared at a time. Default 1024. */
  readonly capacity?: number
  /** `weak` allows file systems in memory, whose votes a power cut loses; every vote then says so. Default `full`. */
  readonly durability?: 'full' | 'weak'
  /** For tests on virtual time. Default: the system's. */
  readonly clock?: LmdbClock
}

/** The resource, and the service's own way of reading what is committed. */
export interface LmdbResource extends Resource<LmdbSession> {
  /** Reads a committed value, outside all transactions and without waiting. @throws Error before `start`. */
  read(key: string): unknown
  /** Lists committed entries, outside all transactions and without waiting. @throws Error before `start`. */
  list(options?: LmdbListOptions): readonly LmdbEntry[]
}

/**
 * An embedded key-value store as a resource, for services that have no database. One process owns it.
 *
 * ```ts
 * defineParticipant({ name: 'inventory', resource: lmdb({ path: './inventory' }), … })
 * ```
 */
export function lmdb(options: LmdbOptions): LmdbResource {
  return new Lmdb(options)
}

// Of what lies on disk. Format 1 knew no floors: a store of it is one whose floors are all at 0, and is marked so that a release that
// reads only 1, and would run deleted branches again, leaves it alone from then on.
const format = 2

interface Opened {
  readonly ownership: Ownership
  readonly environment: Environment
  readonly locks: LockTable<Transaction>
  readonly journal: Journal
}

class Lmdb implements LmdbResource {
  readonly #path: string
  readonly #capacity: number
  readonly #durability: 'full' | 'weak'
  readonly #clock: LmdbClock
  #opened: Opened | undefined
  readonly #branches = new Set<LmdbBranch>()

  constructor({ path, capacity = defaultCapacity, durability = 'full', clock = systemClock }: LmdbOptions) {
    this.#path = path
    this.#capacity = capacity
    this.#durability = durability
    this.#clock = clock
  }

  async start({ participant }: ResourceContext): Promise<ResourceFacts> {
    checkFileSystem(this.#path, this.#durability)
    const ownership = takeStore(this.#path)
    let environment: Environment | undefined
    try {
      environment = new Environment(this.#path)
      await claim(environment, this.#path, participant)
      flushFolders(this.#path)
      const locks = new LockTable<Transaction>(this.#clock)
      this.#opened = { ownership, environment, locks, journal: new Journal(environment, locks, this.#clock) }
    } catch (error) {
      await environment?.close()
      ownership.release()
      throw error
    }
    return { durability: this.#durability, capacity: this.#capacity }
  }

  async open({ lockTimeoutMs, readOnly = false, id }: OpenOptions): Promise<OpenBranch<LmdbSession>> {
    const { environment, locks, journal } = this.#store()
    if (environment.broken) throw new ResourceRefusal(reasonFor(environment.broken), { cause: environment.broken })
    if (this.#branches.size + journal.count >= this.#capacity) throw new ResourceRefusal(noRoom(this.#capacity))
    const transaction = new Transaction(environment, locks, { lockTimeoutMs, readOnly, id })
    const branch: LmdbBranch = new LmdbBranch(transaction, journal, locks, () => this.#branches.delete(branch))
    this.#branches.add(branch)
    return branch
  }

  async finish(branch: BranchKey, ending: Outcome | 'discarded'): Promise<'done' | 'absent' | 'busy'> {
    return this.#store().journal.finish(branch, ending)
  }

  async look(id: TransactionId): Promise<Row> {
    const found = this.#store().journal.find(id)
    switch (found.state) {
      case 'nothing':
      case 'underway':
        return { state: found.state }
      case 'prepared': {
        const { digest, token, results } = found.prepared.row
        return { state: 'prepared', digest, token, history: 'same', ...(results && { results }) }
      }
      case 'ended':
        return found.row.state === 'aborted' ? { state: 'aborted' } : { ...found.row, mode: found.row.mode ?? 'logged' }
    }
  }

  async inDoubt(minAgeMs: number, limit: number): Promise<readonly HeldRow[]> {
    const latestMs = this.#clock.nowMs() - minAgeMs
    return this.#store()
      .journal.oldest(limit, latestMs)
      .map(({ row: { id, digest, token, trace } }) => ({ id, digest, token, history: 'same', ...(trace && { trace }) }))
  }

  async tombstone(id: TransactionId, digest: Digest): Promise<'done' | 'exists' | 'busy' | 'expired'> {
    return this.#store().journal.bury(id, digest)
  }

  async raiseFloor(group: GroupId, floor: Epoch): Promise<'raised' | 'stood'> {
    return this.#store().journal.floors.raise(group, floor)
  }

  async floors(): Promise<ReadonlyMap<GroupId, Epoch>> {
    return this.#store().journal.floors.all
  }

  async collect(group: GroupId, limit: number, after?: TransactionId): Promise<Collected> {
    return this.#store().journal.floors.collect(group, limit, after)
  }

  async forget(ids: readonly TransactionId[]): Promise<void> {
    return this.#store().journal.floors.forget(ids)
  }

  explain(error: unknown): Reason | undefined {
    if (error instanceof LockTimeoutError || error instanceof LockDeadlockError) {
      const { message, heldBy } = error
      const code = error instanceof LockTimeoutError ? reasonCodes.lockTimeout : reasonCodes.deadlock
      return { code, message, retryable: true, heldBy }
    }
    const isOurs =
      error instanceof LmdbLimitError || error instanceof LmdbReadOnlyError || error instanceof LmdbBrokenError
    return isOurs ? reasonFor(error) : undefined
  }

  async stop(): Promise<void> {
    const opened = this.#opened
    if (!opened) return
    this.#opened = undefined
    await Promise.all([...this.#branches].map((branch) => branch.rollback()))
    await opened.environment.close()
    opened.ownership.release()
  }

  read(key: string): unknown {
    const bytes = this.#store().environment.get('data', key)
    return bytes && decode(bytes)
  }

  list({ prefix = '', after, limit = maxListed }: LmdbListOptions = {}): readonly LmdbEntry[] {
    const entries: LmdbEntry[] = []
    for (const { key, value } of this.#store().environment.range('data', {
      prefix,
      ...(after !== undefined && { after }),
    })) {
      if (entries.length >= Math.min(limit, maxListed)) break
      entries.push({ key, value: decode(value) })
    }
    return entries
  }

  #store(): Opened {
    if (!this.#opened)
      throw new Error(`The LMDB store ${this.#path} is not open: await start() first, and stop() last.`)
    return this.#opened
  }
}

/** Binds a new store to its participant, and refuses the store of another one, or of a later version. */
async function claim(environment: Environment, path: string, participant: ParticipantName): Promise<void> {
  const found = environment.get('meta', 'store')
  const store = found && (decode(found) as { readonly format: number; readonly participant: string })
  if (store && store.format > format) {
    throw new ResourceUnfitError(
      `The LMDB store ${path} has format ${store.format}, this version reads up to ${format}: use the version that wrote it.`,
    )
  }
  if (store && store.participant !== participant) {
    throw new ResourceUnfitError(
      `The LMDB store ${path} belongs to participant ${store.participant}, not to ${participant}. Its branches bear that ` +
        'name: give this participant a path of its own.',
    )
  }
  if (store?.format === format) return
  await environment.write([{ space: 'meta', key: 'store', value: encode({ format, participant }) }])
}

function reasonFor(error: LmdbLimitError | LmdbReadOnlyError | LmdbBrokenError): Reason {
  return { code: reasonCodes.resourceRefused, message: error.message, retryable: error instanceof LmdbBrokenError }
}

function noRoom(capacity: number): Reason {
  const message = `All ${capacity} branches that this participant may hold are in use. Try again.`
  return { code: reasonCodes.overloaded, message, retryable: true }
}
