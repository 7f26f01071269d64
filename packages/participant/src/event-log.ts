import type { TransactionId } from '@verdict/protocol'
import type { Observer, ParticipantEvent } from './event.ts'

/** What a log must be able to do; pino's loggers are such, and `console` nearly. */
export interface EventLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Branches that are counted each for itself. Beyond it the oldest are forgotten, and told again as if they were new. */
const maxCounted = 10_000

/** Ids in one line; the rest is a number. */
const maxNamed = 10

/**
 * Writes what an operator would want to know, for `serve({ onEvent: logEvents(log) })`: hazards, quarantined branches, failures, doubts
 * that last. Nothing for each call or each transaction; what repeats is told the 1st, 2nd, 4th, 8th … time.
 */
export function logEvents(log: EventLogger): Observer {
  const eventLog = new EventLog(log)
  return (event) => eventLog.write(event)
}

class EventLog {
  readonly #log: EventLogger
  /** How often something was seen, by what it is: a kind, or a kind with what failed. */
  readonly #seen = new Map<string, number>()
  /** How often a branch was seen that waits for its outcome. */
  readonly #waiting = new Map<TransactionId, number>()

  constructor(log: EventLogger) {
    this.#log = log
  }

  write(event: ParticipantEvent): void {
    switch (event.kind) {
      case 'hazard':
        this.#waiting.delete(event.id)
        this.#log.error({ transaction: event.id, hazard: event.hazard }, 'hazard: an outcome could not be honoured')
        return
      case 'quarantined':
        if (!isPowerOfTwo(this.#wait(event.id))) return
        this.#log.error(
          { transaction: event.id },
          'quarantined: another store prepared this branch; it waits for an operator',
        )
        return
      case 'trouble':
        this.#log.error(
          { transaction: event.id, trouble: event.trouble, note: event.note },
          'trouble: a branch does not end',
        )
        return
      case 'failed':
        this.#failed(event)
        return
      case 'retrying':
        if (!isPowerOfTwo(event.attempt)) return
        this.#log.warn(
          { transaction: event.id, attempt: event.attempt, err: event.error },
          'an outcome could not be applied yet; trying again',
        )
        return
      case 'in-doubt':
        this.#inDoubt(event)
        return
      case 'discarded':
        this.#waiting.delete(event.id)
        this.#sometimes('discarded', (count) =>
          this.#log.info(
            { transaction: event.id, count },
            'rolled back a prepared branch that its group does not know',
          ),
        )
        return
      case 'ignored':
        this.#sometimes('ignored', (count) =>
          this.#log.warn({ transaction: event.id, told: event.told, count }, 'ignored what is not about this branch'),
        )
        return
      case 'rejected':
        this.#sometimes('rejected', (count) =>
          this.#log.warn({ subject: event.subject, why: event.why, count }, 'dropped a message that cannot be used'),
        )
        return
      case 'finished':
        this.#waiting.delete(event.id)
        return
      case 'opened':
      case 'refused':
      case 'prepared':
      case 'read-only':
      case 'forgot':
        return
    }
  }

  /** What failed is an operation's name, or one of a few words: each is counted for itself. */
  #failed({ what, id, error }: Extract<ParticipantEvent, { kind: 'failed' }>): void {
    this.#sometimes(`failed ${what}`, (count) =>
      this.#log.error({ ...(id === undefined ? {} : { transaction: id }), err: error, count }, `failed: ${what}`),
    )
  }

  #inDoubt({ group, ids }: Extract<ParticipantEvent, { kind: 'in-doubt' }>): void {
    const told = ids.filter((id) => isPowerOfTwo(this.#wait(id)))
    if (told.length === 0) return
    this.#log.warn(
      { group, transactions: told.slice(0, maxNamed), count: told.length },
      'in doubt: asked the group for outcomes',
    )
  }

  #wait(id: TransactionId): number {
    const count = (this.#waiting.get(id) ?? 0) + 1
    this.#waiting.delete(id) // so that the oldest of the map is the one that was not seen for longest
    this.#waiting.set(id, count)
    const [oldest] = this.#waiting.keys()
    if (this.#waiting.size > maxCounted && oldest !== undefined) this.#waiting.delete(oldest)
    return count
  }

  #sometimes(key: string, write: (count: number) => void): void {
    const count = (this.#seen.get(key) ?? 0) + 1
    this.#seen.set(key, count)
    if (isPowerOfTwo(count)) write(count)
  }
}

function isPowerOfTwo(count: number): boolean {
  return Number.isInteger(Math.log2(count))
}
