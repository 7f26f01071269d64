import type { Transaction } from 'lmdb'
import { DiskPace } from './disk-pace.ts'
import { StoreError } from './errors.ts'
import { closeOwned, type Database, dataBytes, type OwnedDatabase, onDisk } from './lmdb-database.ts'
import {
  endOf,
  generationOf,
  generationsFrom,
  indexOf,
  logKey,
  nameOf,
  recordKeys,
  spaceKey,
  spacePrefix,
} from './lmdb-key.ts'
import type { Medium, MediumView, MediumWriter, PinnedView, RecordName } from './medium.ts'
import type { LogIndex } from './message.ts'
import { damaged } from './record.ts'
import { seal, unseal } from './seal.ts'

/** The file's size is looked up once in so many bytes written, or so many commits: so far it may grow beyond its limit. */
const bytesBetweenLooks = 1024 * 1024
const commitsBetweenLooks = 64

/** A key and what it becomes; undefined removes it. */
type Change = readonly [key: Buffer, value: Buffer | undefined]

/** Reads of an LMDB database, as of now or as of a transaction. */
class LmdbView implements MediumView {
  protected readonly database: Database
  readonly place: string
  private readonly options: { readonly transaction?: Transaction }

  constructor(database: Database, place: string, transaction?: Transaction) {
    this.database = database
    this.place = place
    this.options = transaction === undefined ? {} : { transaction }
  }

  record(name: RecordName): Uint8Array | undefined {
    const sealed = this.database.get(recordKeys[name], this.options)
    if (sealed === undefined) return undefined
    const bytes = unseal(sealed)
    if (bytes === undefined) throw damaged(this.place, `the record "${name}"`)
    return bytes
  }

  *blocks(from: LogIndex, to: LogIndex): Iterable<readonly [last: LogIndex, bytes: Uint8Array]> {
    for (const { key, value } of this.database.getRange({
      ...this.options,
      start: logKey(from),
      end: logKey(to + 1),
    })) {
      const bytes = unseal(value, key)
      if (bytes === undefined) throw damaged(this.place, `the block of entries up to ${indexOf(key)}`)
      yield [indexOf(key), bytes]
    }
  }

  value(generation: number, key: string): Uint8Array | undefined {
    return this.database.get(spaceKey(spacePrefix(generation), key), this.options)
  }

  *values(
    generation: number,
    prefix: string,
    after: string,
    limit: number,
  ): Iterable<readonly [key: string, value: Uint8Array]> {
    const space = spacePrefix(generation)
    const range = this.database.getRange({
      ...this.options,
      start: spaceKey(space, after > prefix ? after : prefix),
      end: endOf(spaceKey(space, prefix)),
      exclusiveStart: after >= prefix,
      limit,
    })
    for (const { key, value } of range) yield [nameOf(space, key), value]
  }
}

/** A store's disk as one LMDB database: log and space in the same, so that one flush serves both. */
export class LmdbMedium extends LmdbView implements Medium {
  private readonly owned: OwnedDatabase
  private readonly maxMapBytes: number
  private readonly pinned = new Set<PinnedLmdbView>()
  private committing: Promise<void> = Promise.resolve()
  private bytesUntilLook = 0
  private commitsUntilLook = 0
  private readonly pace = new DiskPace()

  constructor(path: string, owned: OwnedDatabase, maxMapBytes: number) {
    super(owned.database, path)
    this.owned = owned
    this.maxMapBytes = maxMapBytes
  }

  blockIndexes(from: LogIndex, to: LogIndex, limit: number, highest = false): readonly LogIndex[] {
    const [low, high] = [logKey(from), logKey(to)]
    const range = highest ? { start: high, end: low, reverse: true } : { start: low, end: high }
    return [...this.database.getKeys({ ...range, inclusiveEnd: true, limit })].map(indexOf)
  }

  generations(): readonly number[] {
    const found: number[] = []
    for (const _ of this.values(0, '', '', 1)) found.push(0)
    for (let next = 1; ; ) {
      const [key] = this.database.getKeys({ ...generationsFrom(next), limit: 1 })
      if (key === undefined) return found
      found.push(generationOf(key))
      next = generationOf(key) + 1
    }
  }

  async commit(write: (writer: MediumWriter) => void, inPlace = false): Promise<void> {
    this.checkRoom()
    // All of it is known before any of it is written: lmdb would commit the first half of a batch that throws in its middle.
    const changes: Change[] = []
    write(writerOf(changes))
    for (const [, value] of changes) this.bytesUntilLook -= value?.length ?? 0
    const beganMs = performance.now()
    const isInPlace = inPlace && this.pace.mayWait(beganMs)
    this.committing = onDisk(isInPlace ? this.commitInPlace(changes) : this.commitElsewhere(changes), this.place)
    await this.committing
    this.pace.committed(beganMs, performance.now())
  }

  /** The promise of the batch itself is the one that stands behind the flushes; inside a batch those of single writes mean nothing. */
  private commitElsewhere(changes: readonly Change[]): Promise<boolean> {
    return this.database.batch(() => this.make(changes))
  }

  /** Both flushes are over when the transaction returns, and what it throws is the reason why one failed. */
  private async commitInPlace(changes: readonly Change[]): Promise<boolean> {
    this.database.transactionSync(() => this.make(changes))
    return true
  }

  private make(changes: readonly Change[]): void {
    for (const [key, value] of changes) {
      if (value === undefined) void this.database.remove(key)
      else void this.database.put(key, value)
    }
  }

  pin(): PinnedView {
    const view = new PinnedLmdbView(this.database, this.place, this.database.useReadTransaction(), () =>
      this.pinned.delete(view),
    )
    this.pinned.add(view)
    return view
  }

  async close(): Promise<void> {
    // A commit that failed has told whoever waited for it.
    await this.committing.catch(() => {})
    for (const view of this.pinned) view.release()
    await closeOwned(this.owned)
  }

  /** @throws StoreError `full` */
  private checkRoom(): void {
    if (this.bytesUntilLook > 0 && this.commitsUntilLook-- > 0) return
    this.bytesUntilLook = bytesBetweenLooks
    this.commitsUntilLook = commitsBetweenLooks
    const bytes = dataBytes(this.place) ?? 0
    if (bytes <= this.maxMapBytes) return
    throw new StoreError(
      'full',
      `The store in ${this.place} has ${bytes} bytes, at most ${this.maxMapBytes} are allowed. Nothing of the write was ` +
        'acknowledged. Raise maxMapBytes, or have less kept, then start the replica again.',
    )
  }
}

/** Takes down what is to be written. */
function writerOf(changes: Change[]): MediumWriter {
  const put = (key: Buffer, value: Buffer): void => void changes.push([key, value])
  const remove = (key: Buffer): void => void changes.push([key, undefined])
  return {
    putRecord: (name, bytes) => put(recordKeys[name], seal(bytes)),
    removeRecord: (name) => remove(recordKeys[name]),
    putBlock: (last, bytes) => {
      const key = logKey(last)
      put(key, seal(bytes, key))
    },
    removeBlock: (last) => remove(logKey(last)),
    putValue: (generation, key, { buffer, byteOffset, byteLength }) =>
      put(spaceKey(spacePrefix(generation), key), Buffer.from(buffer, byteOffset, byteLength)),
    removeValue: (generation, key) => remove(spaceKey(spacePrefix(generation), key)),
  }
}

/** A read transaction of its own: LMDB keeps every page that it can see until it ends. */
class PinnedLmdbView extends LmdbView implements PinnedView {
  private transaction: Transaction | undefined
  private readonly onRelease: () => void

  constructor(database: Database, place: string, transaction: Transaction, onRelease: () => void) {
    super(database, place, transaction)
    this.transaction = transaction
    this.onRelease = onRelease
  }

  release(): void {
    this.transaction?.done()
    this.transaction = undefined
    this.onRelease()
  }
}
