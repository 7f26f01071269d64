import { randomBytes } from 'node:crypto'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

/** Longest delay of Node's timers; a longer one would fire at once. */
const longestDelayMs = 2 ** 31 - 1

/** The clock of the machine. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, callback) => {
    const dueMs = performance.now() + delayMs
    let timer: NodeJS.Timeout
    const wait = (): void => {
      const leftMs = dueMs - performance.now()
      timer = setTimeout(leftMs > 0 ? wait : callback, Math.min(Math.max(0, Math.ceil(leftMs)), longestDelayMs))
      timer.unref()
    }
    wait()
    return { cancel: () => clearTimeout(timer) }
  },
}

/** The randomness of the operating system; `fraction` is quick and guessable. */
export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  fraction: () => Math.random(),
}
