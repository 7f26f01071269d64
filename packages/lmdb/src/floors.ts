import type { BranchKey, Collected } from '@verdict/participant'
import { type Epoch, type GroupId, groupOf, idsUpTo, parseId, type TransactionId } from '@verdict/protocol'
import { decode, type EndedRow, encode } from './codec.ts'
import type { Change, Environment } from './environment.ts'

/** The floor of each group, and what is deleted below it (rule R12). */
export class Floors {
  readonly #environment: Environment
  /** What is durable. */
  readonly #floors: Map<GroupId, Epoch>
  /** The newest raise of each group that is being written. */
  readonly #raising = new Map<GroupId, Promise<unknown>>()

  constructor(environment: Environment) {
    this.#environment = environment
    this.#floors = new Map(
      [...environment.range('floor')].map(({ key, value }) => [key as GroupId, decode(value) as Epoch]),
    )
  }

  get all(): ReadonlyMap<GroupId, Epoch> {
    return new Map(this.#floors)
  }

  isExpired(id: TransactionId): boolean {
    const floor = this.#floors.get(groupOf(id))
    return floor !== undefined && parseId(id).epoch <= floor
  }

  /** Raises the floor of a group, one raise after another. */
  raise(group: GroupId, floor: Epoch): Promise<'raised' | 'stood'> {
    const raising = (this.#raising.get(group) ?? Promise.resolve()).then(() => this.#raise(group, floor))
    this.#raising.set(
      group,
      raising.catch(() => undefined),
    )
    return raising
  }

  /** One step through the rows at or below the floor, in the order of their keys. */
  async collect(group: GroupId, limit: number, after: TransactionId | undefined): Promise<Collected> {
    const deleted: TransactionId[] = []
    const logged: BranchKey[] = []
    let last: TransactionId | undefined
    for (const { id, row } of this.#passing(group, after)) {
      if (deleted.length + logged.length >= limit) break
      last = id
      if (isLogged(row)) logged.push({ id, digest: row.digest, token: row.token })
      else deleted.push(id)
    }
    await this.#delete(deleted)
    const isFull = deleted.length + logged.length >= limit
    return { deleted: deleted.length, logged, last: isFull ? last : undefined }
  }

  /** Deletes the committed rows among these, as far as they are at or below the floor. */
  async forget(ids: readonly TransactionId[]): Promise<void> {
    await this.#delete(
      ids.filter((id) => {
        const row = this.#environment.get('ended', id)
        return row !== undefined && isLogged(decode(row) as EndedRow) && this.isExpired(id)
      }),
    )
  }

  async #raise(group: GroupId, floor: Epoch): Promise<'raised' | 'stood'> {
    if ((this.#floors.get(group) ?? 0) >= floor) return 'stood'
    await this.#environment.write([{ space: 'floor', key: group, value: encode(floor) }])
    this.#floors.set(group, floor)
    return 'raised'
  }

  *#passing(group: GroupId, after: TransactionId | undefined): Iterable<{ id: TransactionId; row: EndedRow }> {
    const floor = this.#floors.get(group)
    if (floor === undefined) return
    for (const range of idsUpTo(group, floor, after)) {
      for (const { key, value } of this.#environment.between('ended', range.after, range.before)) {
        yield { id: key as TransactionId, row: decode(value) as EndedRow }
      }
    }
  }

  async #delete(ids: readonly TransactionId[]): Promise<void> {
    if (ids.length === 0) return
    await this.#environment.write(ids.map((key): Change => ({ space: 'ended', key, value: null })))
  }
}

function isLogged(row: EndedRow): row is Extract<EndedRow, { state: 'committed' }> {
  return row.state === 'committed' && row.mode !== 'lone'
}
