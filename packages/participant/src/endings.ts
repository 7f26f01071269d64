import { context, type Span, trace } from '@opentelemetry/api'
import type { Outcome, ReportedHazard, TransactionId } from '@verdict/protocol'
import { labels, otherLabel, spanEvents } from '@verdict/protocol/telemetry'
import type { Timer } from '@verdict/runtime'
import type { Branches } from './branches.ts'
import type { Doubts } from './doubts.ts'
import { type Ending, endingFor, isEnough, isOutcome, type Told } from './ending.ts'
import type { Openings } from './openings.ts'
import type { Row } from './resource.ts'
import type { Site } from './site.ts'
import { markFailed, type Notice, recordThrown } from './tracing.ts'

/** What one attempt came to: it is over, or it has to be tried again; `changed` when what is there is not what it was taken for. */
type Attempt = 'over' | 'again' | 'changed' | { readonly failed: unknown }

/** What is being done about one id. */
interface Telling {
  readonly told: Told
  readonly notice: Notice
  readonly atMs: number
  /** Of the attempt under way. */
  span: Span | undefined
}

/**
 * Ends branches as their groups tell, whichever instance prepared them (rule R8). What cannot be applied now is tried again for
 * ever: nothing here gives up, and nothing is acknowledged before it is durable (rule R13).
 */
export class Endings {
  readonly #site: Site
  readonly #branches: Branches
  readonly #openings: Openings
  readonly #doubts: Doubts
  readonly #told = new Map<TransactionId, Telling>()
  readonly #pauses = new Set<Timer>()
  #stopped = false

  constructor(site: Site, branches: Branches, openings: Openings, doubts: Doubts) {
    this.#site = site
    this.#branches = branches
    this.#openings = openings
    this.#doubts = doubts
  }

  get isIdle(): boolean {
    return this.#told.size === 0
  }

  /** One ending of an id is under way at a time; an outcome takes the place of a word that is none, never the other way. */
  tell(id: TransactionId, told: Told, notice: Notice): void {
    const telling: Telling = { told, notice, atMs: this.#site.world.clock.nowMs(), span: undefined }
    const before = this.#told.get(id)
    if (before !== undefined) {
      if (isOutcome(told) && !isOutcome(before.told)) this.#told.set(id, telling)
      else before.span?.addEvent(spanEvents.repeated)
      return
    }
    if (this.#told.size >= this.#site.settings.maxEndings) {
      this.#site.dropped('maxEndings')
      return
    }
    this.#told.set(id, telling)
    void this.#endInTime(id).catch((error: unknown) => {
      this.#told.delete(id)
      this.#site.troubles.poisoned(id, error)
      this.#site.changed()
    })
  }

  stop(): void {
    this.#stopped = true
    for (const pause of this.#pauses) pause.cancel()
  }

  async #endInTime(id: TransactionId): Promise<void> {
    const { settings, emit, tracing } = this.#site
    for (let attempt = 1; ; attempt += 1) {
      const telling = this.#told.get(id)
      if (telling === undefined || this.#stopped) return
      const work = tracing.outcome(id, telling.told, telling.notice, attempt, this.#openings.traceOf(id))
      telling.span = work.span
      const came = await context.with(work.context, () => this.#attempt(id, telling))
      telling.span = undefined
      if (came !== 'over') markFailed(work.span, typeof came === 'string' ? 'busy' : nameOf(came.failed))
      work.span.end()
      if (came === 'over' && this.#told.get(id) === telling) break
      if (came === 'over') continue
      if (typeof came === 'object') emit({ kind: 'retrying', id, attempt, error: came.failed })
      const longestMs =
        came !== 'changed' && this.#isStuck(id, telling, came) ? settings.maxStuckRetryMs : settings.maxRetryMs
      await this.#pause(Math.min(settings.retryMs * 2 ** Math.min(attempt - 1, maxDoublings), longestMs))
    }
    this.#told.delete(id)
    this.#site.changed()
  }

  /** Whether it has been tried in vain for so long that somebody should look; that one is told. */
  #isStuck(id: TransactionId, { atMs, told }: Telling, came: Exclude<Attempt, 'over' | 'changed'>): boolean {
    const { world, settings, troubles } = this.#site
    const ageMs = world.clock.nowMs() - atMs
    if (ageMs < settings.stuckAfterMs) return false
    const why = came === 'again' ? 'it is busy, or cannot be reached' : describe(came.failed)
    troubles.begin(id, 'failing', `The resource does not take ${told.kind}: ${why}.`, ageMs)
    return true
  }

  async #attempt(id: TransactionId, telling: Telling): Promise<Attempt> {
    const { told } = telling
    try {
      const known = this.#openings.row(id)
      const row = known !== undefined && isEnough(known, told) ? known : await this.#look(id)
      return await this.#apply(id, telling, row, endingFor(row, told))
    } catch (failed) {
      recordThrown(failed)
      return { failed }
    }
  }

  #look(id: TransactionId): Promise<Row> {
    return this.#site.resource.look(id)
  }

  async #apply(id: TransactionId, telling: Telling, row: Row, ending: Ending): Promise<Attempt> {
    const { told } = telling
    switch (ending.kind) {
      case 'finish':
        return this.#finish(id, telling, row, ending)
      case 'acknowledge':
        this.#acknowledge(id, told, ending.applied, row)
        return 'over'
      case 'tombstone':
        return this.#tombstone(id, telling)
      case 'hazard':
        this.#hazard(id, told, row, ending.hazard)
        return 'over'
      case 'quarantine':
        this.#site.emit({ kind: 'quarantined', id })
        this.#site.troubles.begin(id, 'quarantined', `Told ${told.kind}; prepared in another history of the store.`)
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
    telling: Telling,
    row: Row,
    { branch, ending }: Extract<Ending, { kind: 'finish' }>,
  ): Promise<Attempt> {
    const { digest, token } = branch
    const finished = await this.#site.resource.finish({ id, digest, token }, ending)
    if (finished === 'busy') return 'again'
    if (finished === 'absent') {
      // Somebody else has ended it, or memory was wrong: from now on the resource alone is believed.
      this.#branches.notPrepared(id)
      return 'changed'
    }
    this.#site.metering.ended(ending)
    if (ending !== 'discarded') {
      this.#site.emit({ kind: 'finished', id, outcome: ending })
      this.#applied(telling, ending)
      this.#acknowledge(id, telling.told, ending, row)
      return 'over'
    }
    this.#site.emit({ kind: 'discarded', id })
    noteEnding(ending)
    this.#branches.notPrepared(id)
    return 'over'
  }

  async #tombstone(id: TransactionId, telling: Telling): Promise<Attempt> {
    const { told } = telling
    this.#branches.drop(id)
    const written = await this.#site.resource.tombstone(id, told.digest)
    // The floor is as good as a tombstone: nothing of this id is prepared any more.
    if (written !== 'done' && written !== 'expired') return 'again'
    this.#site.emit({ kind: 'finished', id, outcome: 'aborted' })
    this.#applied(telling, 'aborted')
    this.#acknowledge(id, told, 'aborted', { state: 'aborted' })
    return 'over'
  }

  #applied({ atMs }: Telling, outcome: Outcome): void {
    const { metering, world } = this.#site
    metering.applied(outcome, world.clock.nowMs() - atMs)
  }

  #acknowledge(id: TransactionId, told: Told, applied: Outcome, row: Row): void {
    const shown = 'results' in row ? row.results : undefined
    const results = applied === 'committed' ? (this.#openings.results(id) ?? shown) : undefined
    this.#branches.ended(id)
    noteEnding(applied)
    this.#site.post.acknowledge(id, told.digest, applied, results)
  }

  #hazard(id: TransactionId, told: Told, row: Row, hazard: Extract<Ending, { kind: 'hazard' }>['hazard']): void {
    const found = 'digest' in row ? `${row.state} under digest ${row.digest} and token ${row.token}` : row.state
    const token = 'token' in told && told.token !== undefined ? ` and token ${told.token}` : ''
    this.#site.emit({ kind: 'hazard', id, hazard })
    this.#site.metering.ended('hazard')
    noteHazard(hazard)
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

function describe(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : otherLabel
}

/** Says on the span of the attempt what the outcome came to. */
function noteEnding(ending: Outcome | 'discarded'): void {
  trace.getActiveSpan()?.setAttribute(labels.ending, ending)
}

function noteHazard(hazard: ReportedHazard): void {
  const span = trace.getActiveSpan()
  if (span === undefined) return
  markFailed(span, hazard)
  span.setAttribute(labels.ending, 'hazard')
  span.setAttribute(labels.hazard, hazard)
}
