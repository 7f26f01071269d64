import { endsWell, reachedIn, violationOf, violationOfMail, violationOfStep } from './invariants.ts'
import type { Scenario } from './scenario.ts'
import { isSame, type State, type Successor } from './state.ts'
import { World } from './world.ts'

export interface Found {
  readonly states: number
  readonly transitions: number
  readonly seconds: number
  /** What came about in some state. */
  readonly reached: readonly string[]
  /** What broke an invariant, with the shortest way there; undefined when nothing did. */
  readonly counterexample: Counterexample | undefined
  /** More states than the limit allows: not all were visited. */
  readonly isCut: boolean
}

export interface Counterexample {
  readonly what: string
  readonly trace: readonly string[]
}

/** Beyond it a search gives up, before memory does it. */
const maxStates = 3_000_000

/** Visits every reachable state, nearest first: what is found first is shortest. */
export function search(scenario: Scenario): Found {
  return new Search(new World(scenario)).run()
}

class Search {
  readonly #world: World
  readonly #numbers = new Map<string, number>()
  readonly #states: State[] = []
  readonly #parents: number[] = []
  /** Edges without a fault, by their ends, for the question what can still be reached. */
  readonly #from: number[] = []
  readonly #to: number[] = []
  readonly #reached = new Set<string>()
  #transitions = 0

  constructor(world: World) {
    this.#world = world
  }

  run(): Found {
    const startedMs = performance.now()
    const initial = this.#world.initial()
    this.#numberOf(initial, -1)
    let counterexample = this.#judge(initial, 0)
    for (let place = 0; place < this.#states.length && counterexample === undefined; place += 1) {
      if (this.#states.length > maxStates) break
      counterexample = this.#expand(place)
    }
    const isCut = this.#states.length > maxStates
    if (counterexample === undefined && !isCut && this.#world.scenario.mustEnd !== 'never')
      counterexample = this.#stuck()
    return {
      states: this.#states.length,
      transitions: this.#transitions,
      reached: [...this.#reached].toSorted(),
      seconds: (performance.now() - startedMs) / 1_000,
      counterexample,
      isCut,
    }
  }

  #expand(place: number): Counterexample | undefined {
    const state = this.#states[place]
    if (state === undefined) throw new Error('Broken invariant: a state is expanded that was not found.')
    for (const step of this.#world.successors(state)) {
      this.#transitions += 1
      const steps = [step]
      const next = this.#world.saturated(state, step.state, (send) => steps.push(send))
      for (const [nth, { sent, state: after }] of steps.entries()) {
        const what = this.#misspoken(state, after, sent)
        if (what !== undefined) return { what, trace: this.#trace(place, steps.slice(0, nth + 1)) }
      }
      const changed = violationOfStep(this.#world, state, next)
      if (changed !== undefined) return { what: changed, trace: this.#trace(place, steps) }
      const before = this.#states.length
      const number = this.#numberOf(next, place)
      if (this.#counts(step, state)) {
        this.#from.push(place)
        this.#to.push(number)
      }
      if (number < before) continue
      const counterexample = this.#judge(next, number)
      if (counterexample !== undefined) return counterexample
    }
    return undefined
  }

  /** Whether it can be relied on that such a step happens in the end. */
  #counts(step: Successor, before: State): boolean {
    const { mustEnd } = this.#world.scenario
    if (mustEnd === 'never' || step.isFault) return false
    return mustEnd === 'with its clients' || !this.#world.isOfClient(step, before)
  }

  #misspoken(before: State, after: State, sent: readonly number[]): string | undefined {
    for (const mail of sent) {
      const what = violationOfMail(this.#world, before, after, this.#world.mail(mail))
      if (what !== undefined) return what
    }
    return undefined
  }

  #judge(state: State, number: number): Counterexample | undefined {
    const what = violationOf(this.#world, state)
    for (const reached of reachedIn(this.#world, state)) this.#reached.add(reached)
    return what === undefined ? undefined : { what, trace: this.#trace(number) }
  }

  #numberOf(state: State, parent: number): number {
    const key = String.fromCharCode(...state)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#states.length
    this.#numbers.set(key, number)
    this.#states.push(state)
    this.#parents.push(parent)
    return number
  }

  /** A state from which no good end can be reached without faults, if there is one. */
  #stuck(): Counterexample | undefined {
    const count = this.#states.length
    const heads = new Int32Array(count + 1)
    for (const to of this.#to) heads[to + 1] = (heads[to + 1] ?? 0) + 1
    for (let state = 0; state < count; state += 1) heads[state + 1] = (heads[state + 1] ?? 0) + (heads[state] ?? 0)
    const filled = heads.slice()
    const sources = new Int32Array(this.#to.length)
    this.#to.forEach((to, edge) => {
      sources[filled[to] ?? 0] = this.#from[edge] ?? 0
      filled[to] = (filled[to] ?? 0) + 1
    })
    const ends = new Uint8Array(count)
    const waiting: number[] = []
    this.#states.forEach((state, number) => {
      if (!endsWell(this.#world, state)) return
      ends[number] = 1
      waiting.push(number)
    })
    for (let to = waiting.pop(); to !== undefined; to = waiting.pop()) {
      for (let edge = heads[to] ?? 0; edge < (heads[to + 1] ?? 0); edge += 1) {
        const from = sources[edge] ?? 0
        if (ends[from] === 1) continue
        ends[from] = 1
        waiting.push(from)
      }
    }
    const stuck = ends.indexOf(0)
    if (stuck === -1) return undefined
    return {
      what: 'from here on something stays in doubt or unsettled for ever, even without faults',
      trace: this.#trace(stuck),
    }
  }

  /** The way to a state, of which only the messages that mattered are shown. */
  #trace(number: number, last: readonly Successor[] = []): readonly string[] {
    const path: State[] = []
    for (let to = number; to !== -1; to = this.#parents[to] ?? -1) path.unshift(this.#states[to] ?? [])
    const steps = path.flatMap((state, place) => (place === 0 ? [] : this.#stepsTo(path[place - 1] ?? [], state)))
    const needed = new Set<number>()
    const shown: string[] = []
    for (const { label, delivered, sent, changes } of [...steps, ...last.map(whole)].toReversed()) {
      if (!changes && !sent.some((mail) => needed.has(mail))) continue
      if (delivered !== undefined) needed.add(delivered)
      shown.unshift(label())
    }
    return shown
  }

  /** What led from one state to the next: a step, and what could be sent because of it. */
  #stepsTo(before: State, after: State): readonly Shown[] {
    for (const step of this.#world.successors(before)) {
      const sends: Shown[] = []
      const reached = this.#world.saturated(before, step.state, (send) => sends.push({ ...send, changes: false }))
      if (isSame(reached, after)) return [whole(step), ...sends]
    }
    throw new Error('Broken invariant: a state that was found is not found again.')
  }
}

type Shown = Successor & { readonly changes: boolean }

function whole(step: Successor): Shown {
  return { ...step, changes: true }
}
