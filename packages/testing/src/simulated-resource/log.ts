import type { Clock } from '@verdict/runtime'
import { soon } from './soon.ts'
import type { LogRecord } from './tables.ts'

/**
 * The write-ahead log: all that outlives a crash of the database. Records are durable in their order, one flush for all that
 * gathered while the last one ran.
 */
export class WriteAheadLog {
  readonly #clock: Clock
  readonly #flushMs: () => number
  readonly #records: LogRecord[]
  #flushed = 1
  #waiters: { readonly position: number; readonly resolve: () => void }[] = []
  #life = 0
  #isFlushing = false

  /** `first` is durable from the beginning, and never lost. */
  constructor(first: LogRecord, clock: Clock, flushMs: () => number) {
    this.#records = [first]
    this.#clock = clock
    this.#flushMs = flushMs
  }

  get records(): readonly LogRecord[] {
    return this.#records
  }

  append(record: LogRecord): void {
    this.#records.push(record)
  }

  /** Resolves when all that is in the log now is durable; never, when the database crashes first. */
  flush(): Promise<void> {
    const position = this.#records.length
    if (position <= this.#flushed) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiters.push({ position, resolve })
    this.#write()
    return promise
  }

  /**
   * Loses what was not flushed, but for a part that reached the disk by chance: `fraction` of it, from [0, 1). What is left is
   * durable.
   */
  crash(fraction: number): void {
    const unflushed = this.#records.length - this.#flushed
    this.cut(this.#flushed + Math.floor(fraction * (unflushed + 1)))
  }

  /** Goes back to an older state and returns the records that are lost by it. */
  cut(length: number): readonly LogRecord[] {
    const lost = this.#records.splice(length)
    this.#flushed = this.#records.length
    this.#waiters = []
    this.#isFlushing = false
    this.#life += 1
    return lost
  }

  #write(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    const life = this.#life
    const upTo = this.#records.length
    soon(this.#clock, this.#flushMs(), () => {
      if (life === this.#life) this.#written(upTo)
    })
  }

  #written(upTo: number): void {
    this.#isFlushing = false
    this.#flushed = upTo
    const waiters = this.#waiters
    this.#waiters = waiters.filter(({ position }) => position > upTo)
    for (const { position, resolve } of waiters) if (position <= upTo) resolve()
    if (this.#waiters.length > 0) this.#write()
  }
}
