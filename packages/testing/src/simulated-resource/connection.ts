import type { Clock, Random } from '@verdict/runtime'
import type { Backend } from './backend.ts'
import { type DatabaseFaults, draw } from './faults.ts'
import { soon } from './soon.ts'
import { ConnectionLostError } from './sql-error.ts'

export interface ConnectionOptions {
  /** Of the world: what travels, and the session at the server, do not end with the instance. */
  readonly clock: Clock
  /** Of the instance: its timers, and so its answers, die with its process. */
  readonly instanceClock: Clock
  readonly random: Random
  readonly faults: () => DatabaseFaults
  readonly backend: Backend
  readonly onEnd: () => void
}

type Statement<T> = (backend: Backend) => Promise<T> | T

/** What becomes of a request: never there; there after the connection broke; there without an answer; answered. */
type Fate = 'lost' | 'late' | 'unanswered' | 'answered'

/**
 * A connection of an instance to the database, as bad as a network may be. It breaks once and for all; the session at the
 * server learns of it later, and finishes the statement that it is at.
 */
export class Connection {
  readonly #options: ConnectionOptions
  /** What still waits for an answer, by the function that ends its waiting. */
  readonly #waiting = new Set<() => void>()
  #isBroken = false
  #lastArrivalMs = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /**
   * Has a statement run by the session and gives its result.
   * @throws ConnectionLostError when the connection is broken or breaks before the answer.
   */
  request<T>(statement: Statement<T>): Promise<T> {
    return this.#send(statement, this.#fate())
  }

  /** As `request`, for the statements whose lost answers are the worst. */
  requestEnd<T>(fault: 'uncertainPrepare' | 'uncertainCommit', statement: Statement<T>): Promise<T> {
    const { random, faults } = this.#options
    const uncertain = faults()[fault]
    const fate = random.fraction()
    if (fate < uncertain) return this.#send(statement, fate < uncertain / 2 ? 'late' : 'unanswered')
    return this.#send(statement, this.#fate())
  }

  /** Ends the connection in an orderly way: the session rolls back what is open. */
  close(): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#fail()
    this.#arrive(() => this.#end())
  }

  /** Breaks it. The session notices after `afterMs` at the earliest. Harmless when repeated. */
  break(afterMs = 0): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#fail()
    const { clock, random, faults } = this.#options
    soon(clock, afterMs + draw(random, faults().noticeMs), () => this.#end())
  }

  #fail(): void {
    for (const lost of this.#waiting) soon(this.#options.instanceClock, this.#latencyMs(), lost)
    this.#waiting.clear()
  }

  #end(): void {
    this.#options.backend.run((backend) => backend.rollback()).catch(() => {})
    this.#options.onEnd()
  }

  #answer(lost: () => void, settle: () => void): void {
    if (this.#isBroken) return
    soon(this.#options.instanceClock, this.#latencyMs(), () => {
      if (this.#waiting.delete(lost)) settle()
    })
  }

  #fate(): Fate {
    const { loseRequest, delayRequest, loseAnswer } = this.#options.faults()
    const fate = this.#options.random.fraction()
    if (fate < loseRequest) return 'lost'
    if (fate < loseRequest + delayRequest) return 'late'
    return fate < loseRequest + delayRequest + loseAnswer ? 'unanswered' : 'answered'
  }

  #send<T>(statement: Statement<T>, fate: Fate): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const lost = (): void => reject(new ConnectionLostError())
    if (this.#isBroken) {
      lost()
      return promise
    }
    this.#waiting.add(lost)
    if (fate === 'lost') this.break()
    else if (fate === 'late') this.#carryOutLate(statement)
    else {
      const end = (settle: () => void): void => (fate === 'answered' ? this.#answer(lost, settle) : this.break())
      this.#arrive(() => {
        this.#options.backend.run(statement).then(
          (value) => end(() => resolve(value)),
          (error) => end(() => reject(error)),
        )
      })
    }
    return promise
  }

  #carryOutLate(statement: Statement<unknown>): void {
    const { clock, random, faults, backend } = this.#options
    const lateMs = draw(random, faults().noticeMs)
    soon(clock, lateMs, () => void backend.run(statement).catch(() => {}))
    this.break(lateMs)
  }

  /** One way to the server; what was sent first arrives first. */
  #arrive(run: () => void): void {
    const nowMs = this.#options.clock.nowMs()
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, nowMs + this.#latencyMs())
    soon(this.#options.clock, this.#lastArrivalMs - nowMs, run)
  }

  #latencyMs(): number {
    return draw(this.#options.random, this.#options.faults().latencyMs)
  }
}
