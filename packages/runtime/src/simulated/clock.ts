import type { Clock, Timer } from '../clock.ts'
import type { Life, Occurrence, Timeline } from './timeline.ts'
import type { Trace } from './trace.ts'

/** When the simulated world begins, for people to read: 2026-01-01T00:00:00Z. */
const epochMs = 1_767_225_600_000

/** Whose clock it is. */
interface Owner {
  readonly name: string
  readonly life: Life
}

interface PendingTimer {
  readonly dueMs: number
  readonly callback: () => void
  occurrence: Occurrence
}

/** The clock of one life of a process. It starts anywhere and may run faster or slower than the others. */
export class SimulatedClock implements Clock {
  readonly #timeline: Timeline
  readonly #trace: Trace
  readonly #owner: Owner
  readonly #pending = new Set<PendingTimer>()
  #rate = 1
  #wallOffsetMs = 0
  /** Local and virtual time at the last change of the rate. */
  #localMs: number
  #virtualMs: number

  constructor(timeline: Timeline, trace: Trace, owner: Owner, startMs: number) {
    this.#timeline = timeline
    this.#trace = trace
    this.#owner = owner
    this.#localMs = startMs
    this.#virtualMs = timeline.nowMs
  }

  nowMs(): number {
    return this.#localMs + Math.max(0, this.#timeline.nowMs - this.#virtualMs) * this.#rate
  }

  wallMs(): number {
    return epochMs + Math.floor(this.#timeline.nowMs) + this.#wallOffsetMs
  }

  after(delayMs: number, callback: () => void): Timer {
    const dueMs = this.nowMs() + Math.max(0, delayMs)
    const timer: PendingTimer = { dueMs, callback, occurrence: this.#plan(dueMs, () => this.#fire(timer)) }
    this.#pending.add(timer)
    return {
      cancel: () => {
        if (this.#pending.delete(timer)) this.#timeline.cancel(timer.occurrence)
      },
    }
  }

  /** Sets the clock that people read so far from the right time; it jumps there at once. */
  setWallOffset(offsetMs: number): void {
    this.#wallOffsetMs = offsetMs
  }

  /** Lets the clock run at `rate` local milliseconds for each virtual one; timers under way move accordingly. */
  setRate(rate: number): void {
    this.#localMs = this.nowMs()
    this.#virtualMs = this.#timeline.nowMs
    this.#rate = rate
    for (const timer of this.#pending) {
      this.#timeline.cancel(timer.occurrence)
      timer.occurrence = this.#plan(timer.dueMs, () => this.#fire(timer))
    }
  }

  #plan(dueMs: number, action: () => void): Occurrence {
    return this.#timeline.plan((dueMs - this.nowMs()) / this.#rate, this.#owner.life, action)
  }

  #fire(timer: PendingTimer): void {
    this.#pending.delete(timer)
    this.#trace.record({ atMs: this.#timeline.nowMs, kind: 'timer', from: this.#owner.name, text: '' })
    // Rounding may bring us here a hair too early; a role that compares must see that its time has come.
    if (this.nowMs() < timer.dueMs) {
      this.#localMs = timer.dueMs
      this.#virtualMs = this.#timeline.nowMs
    }
    timer.callback()
  }
}
