import type { BusMessage, SubscribeOptions, Subscription } from '../bus.ts'
import { assertFilter, matches } from '../subject.ts'
import type { SeededRandom } from './random.ts'
import type { Life, Timeline } from './timeline.ts'
import type { Trace } from './trace.ts'

/** How badly the network behaves. Each may be changed at any moment of a run. */
export interface NetworkConditions {
  /** How many of all messages are lost: 0 to 1. */
  lossProbability: number
  /** How many arrive twice: 0 to 1. */
  duplicateProbability: number
  /** How many may overtake what the same sender sent to the same receiver before: 0 to 1. */
  reorderProbability: number
  /** Time on the way: drawn evenly between the two. */
  minDelayMs: number
  maxDelayMs: number
}

/** A network on which nothing goes wrong: what a run starts with, and returns to for the proof that everything ends. */
export const calmNetwork: NetworkConditions = {
  lossProbability: 0,
  duplicateProbability: 0,
  reorderProbability: 0,
  minDelayMs: 0.2,
  maxDelayMs: 0.6,
}

/** A message at the moment when it leaves. */
export interface DepartingMessage {
  /** Name of the process that sends. */
  readonly from: string
  readonly subject: string
  readonly payload: Uint8Array
  readonly replyTo: string | undefined
}

/** A message at the moment when it arrives: each copy of it is one. */
export interface ArrivingMessage extends DepartingMessage {
  /** Name of the process that gets it. */
  readonly to: string
}

/** What a test makes of one message: let the conditions decide, lose it, or have it arrive after so long. */
export type Fate = 'pass' | 'lose' | { readonly delayMs: number }

/** What a process hands to the network. */
export interface Departure {
  readonly subject: string
  readonly payload: Uint8Array
  readonly replyTo: string | undefined
  readonly onNoResponders: (() => void) | undefined
}

/** Whoever sits at the network: one life of a process. */
export interface Station {
  readonly name: string
  readonly life: Life
}

/** One subscription at the broker. */
interface Interest {
  readonly station: Station
  readonly filter: string
  readonly tokens: readonly string[]
  readonly queue: string | undefined
  readonly handler: (message: BusMessage) => void
  active: boolean
}

/** Who gets a subject's messages: everybody of the first, one of each of the others. */
interface Route {
  readonly everybody: readonly Interest[]
  readonly queues: readonly (readonly Interest[])[]
}

/** Routes that are remembered. Inboxes come and go, so the table starts afresh at this size. */
const maxRoutes = 10_000

/** The broker and the wires of a simulation: subjects, queue groups, "no responders", and all that can go wrong. */
export class SimulatedNetwork {
  readonly conditions: NetworkConditions
  readonly maxPayloadBytes: number
  readonly #timeline: Timeline
  readonly #random: SeededRandom
  readonly #trace: Trace
  readonly #routes = new Map<string, Route>()
  readonly #cuts = new Set<string>()
  readonly #lastArrivals = new Map<string, Map<string, number>>()
  readonly #observers: ((message: DepartingMessage) => void)[] = []
  readonly #arrivalObservers: ((message: ArrivingMessage) => void)[] = []
  readonly #judges: ((message: DepartingMessage) => Fate)[] = []
  #interests: Interest[] = []

  constructor(
    timeline: Timeline,
    random: SeededRandom,
    trace: Trace,
    maxPayloadBytes: number,
    conditions: Partial<NetworkConditions>,
  ) {
    this.#timeline = timeline
    this.#random = random
    this.#trace = trace
    this.maxPayloadBytes = maxPayloadBytes
    this.conditions = { ...calmNetwork, ...conditions }
  }

  /** Changes how the network behaves from now on; messages under way are not touched. */
  set(conditions: Partial<NetworkConditions>): void {
    Object.assign(this.conditions, conditions)
    this.#record('network', JSON.stringify(conditions))
  }

  /** Calls `observer` with each message that leaves, before anything happens to it. It may crash processes. */
  observe(observer: (message: DepartingMessage) => void): void {
    this.#observers.push(observer)
  }

  /** Calls `observer` with each copy of a message that arrives, before its receiver sees it. */
  observeArrivals(observer: (message: ArrivingMessage) => void): void {
    this.#arrivalObservers.push(observer)
  }

  /** Lets a test decide about single messages. The first judge that says other than 'pass' decides. Returns what ends that. */
  intercept(judge: (message: DepartingMessage) => Fate): () => void {
    this.#judges.push(judge)
    return () => {
      const place = this.#judges.indexOf(judge)
      if (place >= 0) this.#judges.splice(place, 1)
    }
  }

  /** Messages from one process to the other are lost from now on. The other way is not touched. */
  cutOneWay(from: string, to: string): void {
    this.#cuts.add(wire(from, to))
    this.#record(from, 'cut one way', to)
  }

  /** Parts the named processes: nothing passes from one side to the other. Processes not named keep all their wires. */
  partition(side: readonly string[], otherSide: readonly string[]): void {
    for (const one of side) {
      for (const other of otherSide) {
        if (one === other) throw new Error(`${one} cannot be on both sides of a partition.`)
        this.#cuts.add(wire(one, other)).add(wire(other, one))
      }
    }
    this.#record(side.join(' '), 'partition', otherSide.join(' '))
  }

  /** Mends all wires, or those between two processes. */
  heal(one?: string, other?: string): void {
    if (one === undefined || other === undefined) this.#cuts.clear()
    else for (const cut of [wire(one, other), wire(other, one)]) this.#cuts.delete(cut)
    this.#record(one ?? 'all', 'heal', other)
  }

  subscribe(
    station: Station,
    filter: string,
    handler: (message: BusMessage) => void,
    options: SubscribeOptions = {},
  ): Subscription {
    assertFilter(filter)
    const tokens = filter.split('.')
    const interest: Interest = { station, filter, tokens, queue: options.queue, handler, active: true }
    this.#interests.push(interest)
    this.#routes.clear()
    return { unsubscribe: () => this.#forget([interest]) }
  }

  /** Ends all subscriptions of a life. */
  leave(life: Life): void {
    this.#forget(this.#interests.filter(({ station }) => station.life === life))
  }

  /** Carries a message. The caller has checked subject and size and gives up the payload's bytes. */
  carry(from: Station, { subject, payload, replyTo, onNoResponders }: Departure): void {
    const message = { from: from.name, subject, payload, replyTo }
    for (const observer of this.#observers) observer(message)
    const fate = this.#judge(message)
    if (fate === 'lose' || (fate === 'pass' && this.#random.chance(this.conditions.lossProbability))) {
      this.#trace.record({ atMs: this.#timeline.nowMs, kind: 'lose', from: from.name, text: subject, payload })
      return
    }
    const { everybody, queues } = this.#routeOf(subject)
    if (everybody.length === 0 && queues.length === 0) {
      this.#sayNobody(from, message, onNoResponders)
      return
    }
    for (const interest of everybody) this.#send(from, interest, message, fate)
    for (const queue of queues) this.#send(from, this.#random.pick(queue), message, fate)
  }

  /** A time on the way, by the present conditions. */
  drawDelayMs(): number {
    return this.#random.between(this.conditions.minDelayMs, this.conditions.maxDelayMs)
  }

  #judge(message: DepartingMessage): Fate {
    for (const judge of this.#judges) {
      const fate = judge(message)
      if (fate !== 'pass') return fate
    }
    return 'pass'
  }

  #send(from: Station, interest: Interest, message: DepartingMessage, fate: Fate): void {
    const to = interest.station.name
    if (this.#cuts.size > 0 && this.#cuts.has(wire(from.name, to))) {
      const { subject: text, payload } = message
      this.#trace.record({ atMs: this.#timeline.nowMs, kind: 'lose', from: from.name, to, text, payload })
      return
    }
    const delayMs = typeof fate === 'object' ? fate.delayMs : this.#orderedDelayMs(from.name, to)
    this.#deliverAfter(delayMs, interest, message)
    if (this.#random.chance(this.conditions.duplicateProbability)) {
      this.#deliverAfter(delayMs + this.drawDelayMs(), interest, message)
    }
  }

  /** Messages between two processes keep their order, as on one connection, unless the conditions let this one overtake. */
  #orderedDelayMs(from: string, to: string): number {
    const delayMs = this.drawDelayMs()
    if (this.#random.chance(this.conditions.reorderProbability)) return delayMs
    const arrivals = this.#lastArrivals.get(from) ?? new Map<string, number>()
    this.#lastArrivals.set(from, arrivals)
    const { nowMs } = this.#timeline
    const arrivalMs = Math.max(arrivals.get(to) ?? 0, nowMs + delayMs)
    arrivals.set(to, arrivalMs)
    return arrivalMs - nowMs
  }

  #deliverAfter(delayMs: number, interest: Interest, message: DepartingMessage): void {
    const { station, handler } = interest
    const sentMs = this.#timeline.nowMs
    const { from, subject, payload, replyTo } = message
    this.#timeline.plan(delayMs, station.life, () => {
      if (!interest.active) return
      this.#trace.record({
        atMs: this.#timeline.nowMs,
        kind: 'deliver',
        from,
        to: station.name,
        text: subject,
        payload,
        sentMs,
      })
      for (const observer of this.#arrivalObservers) observer({ ...message, to: station.name })
      // Each receiver has bytes of its own: what one does to them is not seen by others.
      handler({ subject, payload: payload.slice(), replyTo })
    })
  }

  #sayNobody(from: Station, message: DepartingMessage, onNoResponders: (() => void) | undefined): void {
    const { subject: text, payload } = message
    this.#trace.record({ atMs: this.#timeline.nowMs, kind: 'nobody', from: from.name, text, payload })
    if (onNoResponders === undefined || this.#random.chance(this.conditions.lossProbability)) return
    this.#timeline.plan(this.drawDelayMs(), from.life, onNoResponders)
  }

  #routeOf(subject: string): Route {
    const known = this.#routes.get(subject)
    if (known !== undefined) return known
    const tokens = subject.split('.')
    const reached = this.#interests.filter((interest) => matches(interest.tokens, tokens))
    const queues = Map.groupBy(
      reached.filter(({ queue }) => queue !== undefined),
      ({ queue, filter }) => `${queue} ${filter}`,
    )
    const route = { everybody: reached.filter(({ queue }) => queue === undefined), queues: [...queues.values()] }
    if (this.#routes.size >= maxRoutes) this.#routes.clear()
    this.#routes.set(subject, route)
    return route
  }

  #record(from: string, text: string, to?: string): void {
    this.#trace.record({ atMs: this.#timeline.nowMs, kind: 'network', from, text, to })
  }

  #forget(gone: readonly Interest[]): void {
    for (const interest of gone) interest.active = false
    this.#interests = this.#interests.filter(({ active }) => active)
    this.#routes.clear()
  }
}

function wire(from: string, to: string): string {
  return `${from} ${to}`
}
