import type { Outcome, TransactionId } from '@verdict/protocol'
import type { Timer } from '@verdict/runtime'
import type { Branches } from './branches.ts'
import type { Doubts } from './doubts.ts'
import { type Ending, endingFor, type Told } from './ending.ts'
import type { Row } from './resource.ts'
import type { Site } from './site.ts'

/** What one attempt came to: it is over, or it has to be tried again. */
type Attempt = 'over' | 'again' | { readonly failed: unknown }

/**
 * Ends branches as their groups tell, whichever instance prepared them (rule R8). What cannot be applied now is tried again for
 * ever: nothing here gives up, and nothing is acknowledged before it is durable (rule R13).
 */
export class Endings {
  readonly #site: Site
  readonly #branches: Branches
  readonly #doubts: Doubts
  readonly #told = new Map<TransactionId, Told>()
  readonly #pauses = new Set<Timer>()
  #stopped = false

  constructor(site: Site, branches: Branches, doubts: Doubts) {
    this.#site = site
    this.#branches = branches
    this.#doubts = doubts
  }

  get isIdle(): boolean {
    return this.#told.size === 0
  }

  /** One ending of an id is under way at a time; an outcome takes the place of a word that is none, never the other way. */
  tell(id: TransactionId, told: Told): void {
    const before = this.#told.get(id)
    if (before !== undefined) {
      if (isOutcome(told) && !isOutcome(before)) this.#told.set(id, told)
      return
    }
    if (this.#told.size >= this.#site.settings.maxEndings) {
      this.#site.dropped()
      return
    }
    this.#told.set(id, told)
    void this.#endInTime(id)
  }

  stop(): void {
    this.#stopped = true
    for (const pause of this.#pauses) pause.cancel()
  }

  async #endInTime(id: TransactionId): Promise<void> {
    const { settings, emit } = this.#site
    for (let attempt = 1; ; attempt += 1) {
      const told = this.#told.get(id)
      if (told === undefined || this.#stopped) return
      const came = await this.#attempt(id, told)
      if (came === 'over' && this.#told.get(id) === told) break
      if (came === 'over') continue
      if (came !== 'again') emit({ kind: 'retrying', id, attempt, error: came.failed })
      await this.#pause(Math.min(settings.retryMs * 2 ** Math.min(attempt - 1, maxDoublings), settings.maxRetryMs))
    }
    this.#told.delete(id)
    this.#site.changed()
  }

  async #attempt(id: TransactionId, told: Told): Promise<Attempt> {
    try {
      // Memory is enough for an outcome. Whether the store is still the one that prepared, only the store can say (rule R13).
      const known = this.#branches.row(id)
      const row = known !== undefined && (isOutcome(told) || known.state === 'underway') ? known : await this.#look(id)
      return await this.#apply(id, told, row, endingFor(row, told))
    } catch (failed) {
      return { failed }
    }
  }

  #look(id: TransactionId): Promise<Row> {
    return this.#site.resource.look(id)
  }

  async #apply(id: TransactionId, told: Told, row: Row, ending: Ending): Promise<Attempt> {
    switch (ending.kind) {
      case 'finish':
        return this.#finish(id, told, row, ending)
      case 'acknowledge':
        this.#acknowledge(id, told, ending.applied, row)
        return 'over'
      case 'tombstone':
        return this.#tombstone(id, told)
      case 'hazard':
        this.#hazard(id, told, row, ending.hazard)
        return 'over'
      case 'quarantine':
        this.#site.emit({ kind: 'quarantined', id })
        return 'over'
      case 'later':
        return 'again'
      case 'ignore':
        this.#ignore(id, told, row)
        return 'over'
    }
  }

  async #finish(
    id: TransactionId,
    told: Told,
    row: Row,
    { branch, ending }: Extract<Ending, { kind: 'finish' }>,
  ): Promise<Attempt> {
    const { digest, token } = branch
    const finished = await this.#site.resource.finish({ id, digest, token }, ending)
    if (finished === 'busy') return 'again'
    if (finished === 'absent') {
      // Somebody else has ended it, or memory was wrong: from now on the resource alone is believed.
      this.#branches.notPrepared(id)
      return 'again'
    }
    if (ending !== 'discarded') {
      this.#site.emit({ kind: 'finished', id, outcome: ending })
      this.#acknowledge(id, told, ending, row)
      return 'over'
    }
    this.#site.emit({ kind: 'discarded', id })
    this.#branches.notPrepared(id)
    return 'over'
  }

  async #tombstone(id: TransactionId, told: Told): Promise<Attempt> {
    this.#branches.drop(id)
    const written = await this.#site.resource.tombstone(id, told.digest)
    if (written !== 'done') return 'again'
    this.#site.emit({ kind: 'finished', id, outcome: 'aborted' })
    this.#acknowledge(id, told, 'aborted', { state: 'aborted' })
    return 'over'
  }

  #acknowledge(id: TransactionId, told: Told, applied: Outcome, row: Row): void {
    const shown = 'results' in row ? row.results : undefined
    const results = applied === 'committed' ? (this.#branches.results(id) ?? shown) : undefined
    this.#branches.ended(id)
    this.#site.post.acknowledge(id, told.digest, applied, results)
  }

  #hazard(id: TransactionId, told: Told, row: Row, hazard: Extract<Ending, { kind: 'hazard' }>['hazard']): void {
    const found = 'digest' in row ? `${row.state} under digest ${row.digest} and token ${row.token}` : row.state
    const token = 'token' in told && told.token !== undefined ? ` and token ${told.token}` : ''
    this.#site.emit({ kind: 'hazard', id, hazard })
    this.#site.post.hazard(
      id,
      told.digest,
      hazard,
      `Told ${told.kind} for digest ${told.digest}${token}; found: ${found}.`,
    )
    this.#watch(id, row)
  }

  #ignore(id: TransactionId, told: Told, row: Row): void {
    if (row.state === 'prepared') this.#site.emit({ kind: 'ignored', id, told: told.kind })
    this.#watch(id, row)
  }

  /** What stays prepared stays in doubt, as the resource shows it; what is not, is not asked about any more. */
  #watch(id: TransactionId, row: Row): void {
    if (row.state === 'prepared') this.#doubts.found({ id, digest: row.digest, token: row.token }, true)
    else this.#branches.notPrepared(id)
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#site.world.clock.after(delayMs, () => {
        this.#pauses.delete(timer)
        resolve()
      })
      this.#pauses.add(timer)
    })
  }
}

/** Any pause has reached its maximum by then; it keeps the power finite. */
const maxDoublings = 20

function isOutcome({ kind }: Told): boolean {
  return kind === 'committed' || kind === 'aborted'
}
