import { type Choose, everyWay } from './choice.ts'
import type { Mail } from './mail.ts'
import { Pool } from './pool.ts'

/** One way in which a step can go. */
export interface Way {
  /** The number of the state after it. */
  readonly next: number
  /** Numbers of the messages that it sends. */
  readonly sent: readonly number[]
  /** What was chosen on the way. */
  readonly chosen: string
}

/**
 * The steps of one part of the world, each computed once: cores are pure, so the same state and event always come to the same.
 * What a search calls again and again is a table; what fills the table is the product's own code.
 */
export class Steps<State, Event> {
  readonly #mails: Pool<Mail>
  readonly #step: (state: State, event: Event, send: (mail: Mail) => void, choose: Choose) => void
  readonly #idles: (state: State) => readonly Event[]
  readonly #states = new Pool<State>()
  readonly #events = new Pool<Event>()
  readonly #ways: Map<number, readonly Way[]>[] = []
  readonly #own: (readonly number[])[] = []

  constructor(
    mails: Pool<Mail>,
    step: (state: State, event: Event, send: (mail: Mail) => void, choose: Choose) => void,
    idles: (state: State) => readonly Event[],
  ) {
    this.#mails = mails
    this.#step = step
    this.#idles = idles
  }

  numberOf(state: State): number {
    return this.#states.numberOf(state)
  }

  at(state: number): State {
    return this.#states.at(state)
  }

  eventOf(event: Event): number {
    return this.#events.numberOf(event)
  }

  event(event: number): Event {
    return this.#events.at(event)
  }

  /** The events that may happen here without any message. */
  ownEvents(state: number): readonly number[] {
    const known = this.#own[state]
    if (known !== undefined) return known
    const events = this.#idles(this.at(state)).map((event) => this.eventOf(event))
    this.#own[state] = events
    return events
  }

  ways(state: number, event: number): readonly Way[] {
    this.#ways[state] ??= new Map()
    const known = this.#ways[state].get(event)
    if (known !== undefined) return known
    const ways = everyWay((choose) => {
      const after = structuredClone(this.at(state))
      const sent: number[] = []
      const chosen: string[] = []
      const noting: Choose = (...options) => {
        const option = choose(...options)
        chosen.push(option)
        return option
      }
      this.#step(after, this.event(event), (mail) => sent.push(this.#mails.numberOf(mail)), noting)
      return { next: this.numberOf(after), sent, chosen: chosen.length === 0 ? '' : ` (${chosen.join(', ')})` }
    })
    this.#ways[state].set(event, ways)
    return ways
  }
}
