import type { Timer } from '@verdict/runtime'
import { branchWakeAtMs } from './branch.ts'
import type { Opening } from './opening.ts'
import type { Site } from './site.ts'

/** Wakes branches when their time may be over. A timer that is early is left: it costs less than a new one with every call. */
export class Wakes {
  readonly #site: Pick<Site, 'world' | 'settings'>
  readonly #wake: (opening: Opening) => void
  readonly #timers = new Map<Opening, { readonly atMs: number; readonly timer: Timer }>()
  #stopped = false

  constructor(site: Pick<Site, 'world' | 'settings'>, wake: (opening: Opening) => void) {
    this.#site = site
    this.#wake = wake
  }

  /** Sees to it that the branch is woken in time, if it wants to be. */
  set(opening: Opening): void {
    const { clock } = this.#site.world
    const wakeAtMs = this.#stopped ? undefined : branchWakeAtMs(opening.branch, this.#site.settings)
    const armed = this.#timers.get(opening)
    if (armed !== undefined && wakeAtMs !== undefined && armed.atMs <= wakeAtMs) return
    armed?.timer.cancel()
    if (wakeAtMs === undefined) {
      this.#timers.delete(opening)
      return
    }
    const timer = clock.after(wakeAtMs - clock.nowMs(), () => {
      this.#timers.delete(opening)
      this.#wake(opening)
    })
    this.#timers.set(opening, { atMs: wakeAtMs, timer })
  }

  stop(): void {
    this.#stopped = true
    for (const { timer } of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }
}
