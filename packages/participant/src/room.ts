import type { Reason } from '@verdict/protocol'
import type { Timer } from '@verdict/runtime'
import { patienceMs } from './patience.ts'
import { overloaded } from './reason.ts'
import type { Site } from './site.ts'

interface Waiting {
  readonly timer: Timer
  readonly resolve: (entered: boolean) => void
}

/**
 * The room that an instance has for open and prepared branches, and the line before it: whoever came first enters first, and nobody
 * waits while there is room. Only an opening takes room: votes and outcomes never wait here (rule R14).
 */
export class Room<Guest> {
  readonly #site: Pick<Site, 'facts' | 'settings' | 'world' | 'metering'>
  readonly #inside = new Set<Guest>()
  readonly #line = new Map<Guest, Waiting>()

  constructor(site: Pick<Site, 'facts' | 'settings' | 'world' | 'metering'>) {
    this.#site = site
  }

  /** Whether nobody is inside; somebody may wait only while somebody is. */
  get isEmpty(): boolean {
    return this.#inside.size === 0
  }

  /** Whether there is no place in the line either. */
  get isFull(): boolean {
    const { facts, settings } = this.#site
    return this.#inside.size >= facts.capacity && this.#line.size >= settings.maxWaitingForRoom
  }

  /** Why nobody may join the line: it is full. */
  refusal(): Reason | undefined {
    if (!this.isFull) return undefined
    this.#site.metering.refused('maxWaitingForRoom')
    return overloaded
  }

  get waiting(): readonly Guest[] {
    return [...this.#line.keys()]
  }

  /** Enters, once it is the guest's turn. Resolves with false when it gave up, or waited as long as one may with `leftMs` left. */
  enter(guest: Guest, leftMs: number): Promise<boolean> {
    if (this.isFull) throw new Error('Broken invariant: somebody joins a line that is full.')
    if (this.#inside.size < this.#site.facts.capacity) {
      this.#inside.add(guest)
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const timer = this.#site.world.clock.after(patienceMs(this.#site, leftMs), () => this.giveUp(guest))
      this.#line.set(guest, { timer, resolve })
    })
  }

  /** Leaves the line; who is inside stays there. */
  giveUp(guest: Guest): void {
    this.#endWait(guest, false)
  }

  /** What the guest held in the resource has ended: the next one enters. Idempotent. */
  leave(guest: Guest): void {
    if (!this.#inside.delete(guest)) return
    for (const next of this.#line.keys()) {
      this.#inside.add(next)
      this.#endWait(next, true)
      return
    }
  }

  #endWait(guest: Guest, entered: boolean): void {
    const waiting = this.#line.get(guest)
    if (waiting === undefined) return
    this.#line.delete(guest)
    waiting.timer.cancel()
    waiting.resolve(entered)
  }
}
