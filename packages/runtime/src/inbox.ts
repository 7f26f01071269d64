/** Messages handed to handlers in one turn of the event loop: timers and the disk get their turn under any flood. */
const maxMessagesPerTurn = 256

/** Messages that may wait for later turns. Beyond it the process is too slow for its load, and old ones are worth more. */
const maxWaitingMessages = 65_536

/** Bytes that may wait: far below the memory of any process that runs a role. */
const maxWaitingBytes = 64 * 1024 * 1024

interface Waiting {
  readonly bytes: number
  readonly deliver: () => void
}

/** Incoming messages on their way to the handlers, in order, in bounded slices, and bounded in number and bytes. */
export class Inbox {
  readonly #fail: (error: unknown) => void
  readonly #onShed: () => void
  #waiting: Waiting[] = []
  #next = 0
  #waitingBytes = 0
  #deliveredThisTurn = 0
  #turnPlanned = false

  /**
   * @param onShed called for each message that is dropped because too many wait
   * @param fail takes what a handler throws
   */
  constructor(onShed: () => void, fail: (error: unknown) => void) {
    this.#onShed = onShed
    this.#fail = fail
  }

  /** Delivers a message now if this turn has room and none waits, else later, in order. The newest is dropped when full. */
  accept(bytes: number, deliver: () => void): void {
    this.#planTurn()
    if (this.#deliveredThisTurn < maxMessagesPerTurn) {
      // Nothing waits then: a turn hands out what waits before it takes anything new.
      this.#run(deliver)
      return
    }
    const isFull =
      this.#waiting.length - this.#next >= maxWaitingMessages || this.#waitingBytes + bytes > maxWaitingBytes
    if (isFull) {
      this.#onShed()
      return
    }
    this.#waiting.push({ bytes, deliver })
    this.#waitingBytes += bytes
  }

  #planTurn(): void {
    if (this.#turnPlanned) return
    this.#turnPlanned = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#turnPlanned = false
    this.#deliveredThisTurn = 0
    while (this.#next < this.#waiting.length && this.#deliveredThisTurn < maxMessagesPerTurn) {
      const { bytes, deliver } = this.#waiting[this.#next++] as Waiting
      this.#waitingBytes -= bytes
      this.#run(deliver)
    }
    if (this.#next < this.#waiting.length) this.#planTurn()
    if (this.#next * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#next = 0
    }
  }

  #run(deliver: () => void): void {
    this.#deliveredThisTurn++
    try {
      deliver()
    } catch (error) {
      this.#fail(error)
    }
  }
}
