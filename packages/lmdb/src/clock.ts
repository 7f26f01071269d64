import type { LockClock } from './locks.ts'

/** The time that a store sees: for lock time-outs, and for the age of prepared branches. Nothing that must be right rests on it. */
export interface LmdbClock extends LockClock {
  /** Monotonic milliseconds since an arbitrary start. */
  nowMs(): number
  /** Milliseconds since the Unix epoch, kept with prepared branches so that their age outlives a restart. */
  wallMs(): number
}

export const systemClock: LmdbClock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
