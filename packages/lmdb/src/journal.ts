import type { BranchKey, BranchNote, CommitNote, Mode } from '@verdict/participant'
import type { Digest, Outcome, TransactionId } from '@verdict/protocol'
import type { LmdbClock } from './clock.ts'
import { decode, type EndedRow, encode, type PreparedRow } from './codec.ts'
import type { Change, Environment } from './environment.ts'
import { Floors } from './floors.ts'
import type { LockTable } from './locks.ts'
import { flushing } from './tracing.ts'
import { Transaction } from './transaction.ts'

/** A prepared branch in memory: what lies on disk, and the owner of its locks. */
export interface Prepared {
  readonly row: PreparedRow
  readonly transaction: Transaction
  /** On the store's clock. After a restart it is reckoned from wall clocks, and only says how long to leave the branch alone. */
  readonly preparedAtMs: number
}

/** What the journal has for an id. */
export type Found =
  | { readonly state: 'nothing' | 'underway' }
  | { readonly state: 'prepared'; readonly prepared: Prepared }
  | { readonly state: 'ended'; readonly row: EndedRow }

/**
 * Rows of branches: one for each id at any time, each change one durable batch. While a batch of an id is on its way the id is
 * under way and nothing else happens to it; where a batch failed it stays so, until a new process reads what is there.
 */
export class Journal {
  readonly #environment: Environment
  readonly #locks: LockTable<Transaction>
  readonly #clock: LmdbClock
  /** In the order of their preparation. */
  readonly #prepared = new Map<TransactionId, Prepared>()
  readonly #underway = new Set<TransactionId>()
  /** Rows of ended branches below them are deleted. */
  readonly floors: Floors

  /** Reads the prepared branches and takes their locks again. */
  constructor(environment: Environment, locks: LockTable<Transaction>, clock: LmdbClock) {
    this.#environment = environment
    this.#locks = locks
    this.#clock = clock
    this.floors = new Floors(environment)
    const rows = [...environment.range('prepared')].map(({ value }) => decode(value) as PreparedRow)
    for (const row of rows.toSorted((a, b) => a.preparedAtWallMs - b.preparedAtWallMs)) this.#restore(row)
  }

  /** Branches that were prepared by then, oldest first, at most `limit` of them: it looks at no more. */
  oldest(limit: number, preparedByMs: number): readonly Prepared[] {
    const oldest: Prepared[] = []
    for (const prepared of this.#prepared.values()) {
      if (oldest.length >= limit || prepared.preparedAtMs > preparedByMs) break
      oldest.push(prepared)
    }
    return oldest
  }

  /** How many branches are prepared. */
  get count(): number {
    return this.#prepared.size
  }

  /** A write failed: what is under way stays so. */
  get isBroken(): boolean {
    return this.#environment.broken !== undefined
  }

  find(id: TransactionId): Found {
    if (this.#underway.has(id)) return { state: 'underway' }
    const prepared = this.#prepared.get(id)
    if (prepared) return { state: 'prepared', prepared }
    const ended = this.#environment.get('ended', id)
    return ended ? { state: 'ended', row: decode(ended) as EndedRow } : { state: 'nothing' }
  }

  /** Makes effects and row durable. `busy` when it is under way already, or not known any more. */
  async prepare(transaction: Transaction, note: BranchNote): Promise<'prepared' | 'exists' | 'busy' | 'expired'> {
    const { id, digest, token, results, trace } = note
    const hindrance = this.#hindrance(id)
    if (hindrance) return hindrance
    const row: PreparedRow = {
      id,
      digest,
      token,
      ...(results && { results }),
      ...(trace && { trace }),
      preparedAtWallMs: this.#clock.wallMs(),
      writes: [...transaction.writes],
      locks: this.#locks.heldBy(transaction),
    }
    const isWritten = await this.#write(id, [{ space: 'prepared', key: id, value: encode(row) }])
    if (!isWritten) return 'busy'
    this.#prepared.set(id, { row, transaction, preparedAtMs: this.#clock.nowMs() })
    return 'prepared'
  }

  /** Makes effects and a row `committed` final in one batch. `busy` as for `prepare`. */
  async commit(transaction: Transaction, note: CommitNote): Promise<'committed' | 'exists' | 'busy' | 'expired'> {
    const { id } = note
    const hindrance = this.#hindrance(id)
    if (hindrance) return hindrance
    return (await this.#write(id, effectsOf([...transaction.writes], note, 'lone'))) ? 'committed' : 'busy'
  }

  /** Ends the branch prepared under exactly this key. */
  async finish({ id, digest, token }: BranchKey, ending: Outcome | 'discarded'): Promise<'done' | 'absent' | 'busy'> {
    const found = this.find(id)
    if (found.state === 'underway') return 'busy'
    if (found.state !== 'prepared') return 'absent'
    const { row, transaction } = found.prepared
    if (row.digest !== digest || row.token !== token) return 'absent'
    const changes: readonly Change[] = [{ space: 'prepared', key: id, value: null }, ...endOf(row, ending)]
    if (!(await this.#write(id, changes))) return 'busy'
    this.#prepared.delete(id)
    this.#locks.release(transaction)
    return 'done'
  }

  /** Makes a row `aborted` durable where nothing is. */
  async bury(id: TransactionId, digest: Digest): Promise<'done' | 'exists' | 'busy' | 'expired'> {
    const hindrance = this.#hindrance(id)
    if (hindrance) return hindrance
    return (await this.#write(id, [endedChange(id, { state: 'aborted', digest })])) ? 'done' : 'busy'
  }

  /**
   * What keeps a new row of this id from being written. In one turn the id is taken (it is under way from here on) and then the floor
   * read: where a row of before was deleted, the floor had been raised (rule R12).
   */
  #hindrance(id: TransactionId): 'exists' | 'busy' | 'expired' | undefined {
    const { state } = this.find(id)
    if (state !== 'nothing') return state === 'underway' ? 'busy' : 'exists'
    return this.floors.isExpired(id) ? 'expired' : undefined
  }

  async #write(id: TransactionId, changes: readonly Change[]): Promise<boolean> {
    this.#underway.add(id)
    try {
      await flushing(() => this.#environment.write(changes))
    } catch {
      return false // it stays under way: the environment says that it is broken, and why
    }
    this.#underway.delete(id)
    return true
  }

  #restore(row: PreparedRow): void {
    const transaction = new Transaction(this.#environment, this.#locks, {
      lockTimeoutMs: 0,
      readOnly: true,
      id: row.id,
    })
    transaction.close()
    for (const [key, mode] of row.locks) this.#locks.restore(transaction, key, mode)
    const ageMs = Math.max(0, this.#clock.wallMs() - row.preparedAtWallMs)
    this.#prepared.set(row.id, { row, transaction, preparedAtMs: this.#clock.nowMs() - ageMs })
  }
}

function endOf(row: PreparedRow, ending: Outcome | 'discarded'): readonly Change[] {
  const { id, digest, writes } = row
  switch (ending) {
    case 'committed':
      return effectsOf(writes, row, 'logged')
    case 'aborted':
      return [endedChange(id, { state: 'aborted', digest })]
    case 'discarded':
      return []
  }
}

/** What a branch has written, with the row that says that it is committed. */
function effectsOf(
  writes: PreparedRow['writes'],
  { id, digest, token, results }: BranchNote,
  mode: Mode,
): readonly Change[] {
  const ended: EndedRow = { state: 'committed', mode, digest, token, ...(results && { results }) }
  return [...writes.map(([key, value]): Change => ({ space: 'data', key, value })), endedChange(id, ended)]
}

function endedChange(id: TransactionId, row: EndedRow): Change {
  return { space: 'ended', key: id, value: encode(row) }
}
