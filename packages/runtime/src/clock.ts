/** A timer that was set and can be called off. */
export interface Timer {
  /** Calls the timer off. Harmless once it has fired. */
  cancel(): void
}

/** The time a role sees. Liveness alone rests on it, never safety. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start; never goes back. The only clock that budgets and timers use. */
  nowMs(): number
  /** Milliseconds since the Unix epoch, for people to read. It may jump; nothing is decided by it. */
  wallMs(): number
  /** Runs `callback` once, no earlier than `delayMs` from now. The process does not stay alive for its sake. */
  after(delayMs: number, callback: () => void): Timer
}
