import type { Run } from './run.ts'

/** A place in the life of a branch where the instance can die. */
export type Moment =
  | 'called'
  | 'returned'
  | 'preparing'
  | 'durable'
  | 'committing'
  | 'committed'
  | 'ending'
  | 'ended'
  /** The statement was carried out; its answer never arrives. */
  | `statement ${number}`

/** What is to happen in one life of an instance. */
export interface Plan {
  /** Stops there until released. */
  readonly hold?: Moment
  /** The statement, from 1, that fails instead of being carried out. */
  readonly fail?: number
}

/** The error of a statement that the kit let fail. */
export class InjectedError extends Error {
  override readonly name = 'InjectedError'
}

/** Sees what one instance does, stops it where the plan says, and plays dead when it has crashed. */
export class Probe {
  readonly plan: Plan
  readonly runs: Run[] = []
  #isHeld = false
  #isReleased = false
  #isDead = false
  readonly #reached = Promise.withResolvers<'held'>()
  readonly #released = Promise.withResolvers<void>()

  constructor(plan: Plan) {
    this.plan = plan
  }

  /** Resolves when the instance stands where the plan holds it. */
  get held(): Promise<'held'> {
    return this.#isReleased ? new Promise<never>(() => undefined) : this.#reached.promise
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** Whether the instance has come to where the plan holds it; true where it holds it nowhere. */
  get isReached(): boolean {
    return this.#isHeld || this.plan.hold === undefined
  }

  /** The instance is at a moment; the first time that the plan holds it there, it goes on only when released. */
  async reach(moment: Moment): Promise<void> {
    if (this.plan.hold !== moment || this.#isHeld) return
    this.#isHeld = true
    this.#reached.resolve('held')
    await this.#released.promise
  }

  release(): void {
    this.#isReleased = true
    this.#released.resolve()
  }

  die(): void {
    this.#isDead = true
  }

  /** Asks the store; a dead process asks for nothing, and hears of nothing. */
  ask<T>(question: () => Promise<T>): Promise<T> {
    return this.#isDead ? new Promise<never>(() => undefined) : question()
  }
}
