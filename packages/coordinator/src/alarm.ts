import type { Clock, Timer } from '@verdict/runtime'

/** One timer for many: always set to the earliest time that was asked for since it last rang. */
export class Alarm {
  private readonly clock: Clock
  private readonly ring: () => void
  private timer: Timer | undefined
  private atMs = Number.POSITIVE_INFINITY
  private stopped = false

  constructor(clock: Clock, ring: () => void) {
    this.clock = clock
    this.ring = ring
  }

  /** Rings at this monotonic time, unless it rings earlier anyway. `undefined` asks for nothing. */
  setAt(atMs: number | undefined): void {
    if (atMs === undefined || atMs >= this.atMs || this.stopped) return
    this.timer?.cancel()
    this.atMs = atMs
    this.timer = this.clock.after(Math.max(0, atMs - this.clock.nowMs()), () => {
      this.atMs = Number.POSITIVE_INFINITY
      if (!this.stopped) this.ring()
    })
  }

  /** Never rings again. */
  stop(): void {
    this.stopped = true
    this.timer?.cancel()
  }
}
