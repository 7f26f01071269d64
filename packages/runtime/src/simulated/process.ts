import type { World } from '../world.ts'
import { SimulatedBus } from './bus.ts'
import { SimulatedClock } from './clock.ts'
import { type Disk, SimulatedDisk } from './disk.ts'
import type { SimulatedNetwork } from './network.ts'
import type { SeededRandom } from './random.ts'
import type { Life, Occurrence, Timeline } from './timeline.ts'
import type { Trace, TraceKind } from './trace.ts'

/** What one life of a simulated process has of the world. */
export interface SimulatedWorld extends World {
  readonly random: SeededRandom
  readonly disk: Disk
  /** Name of the process. */
  readonly name: string
  /** Counts the lives of the process, from 1. */
  readonly incarnation: number
}

/** Begins one life: builds a role on the world that it is given. What it throws, or rejects with, fails the simulation. */
export type Main = (world: SimulatedWorld) => void | Promise<void>

/** What all processes of a simulation share. */
export interface Surroundings {
  readonly timeline: Timeline
  readonly network: SimulatedNetwork
  readonly trace: Trace
  readonly random: SeededRandom
  /** Takes what a role failed with. */
  readonly fail: (error: unknown) => void
}

/** One life of a process; timers, messages and flushes of a life that ended never come to pass. */
class Incarnation implements Life {
  alive = true
  held: Occurrence[] | undefined
  readonly clock: SimulatedClock
  readonly world: SimulatedWorld

  constructor(around: Surroundings, name: string, incarnation: number, disk: SimulatedDisk) {
    const random = around.random.fork(`${name}/${incarnation}`)
    const owner = { name, life: this }
    // No two machines were started at the same moment: nobody may compare the readings of two clocks.
    this.clock = new SimulatedClock(around.timeline, around.trace, owner, random.integer(1_000, 1_000_000))
    const bus = new SimulatedBus(around.network, around.timeline, owner)
    this.world = { clock: this.clock, random, bus, disk: disk.open(this), name, incarnation }
  }
}

/** A process of the simulation: it lives, dies and lives again on the same disk. */
export class SimulatedProcess {
  readonly name: string
  readonly disk: SimulatedDisk
  readonly #around: Surroundings
  readonly #main: Main
  #life: Incarnation | undefined
  #incarnation = 0
  #clockRate = 1
  #wallOffsetMs = 0

  constructor(around: Surroundings, name: string, main: Main) {
    this.name = name
    this.disk = new SimulatedDisk(name, around.timeline, around.random.fork(`${name}/disk`), around.trace)
    this.#around = around
    this.#main = main
  }

  /** Whether it lives; a paused process does. */
  get running(): boolean {
    return this.#life?.alive === true
  }

  get paused(): boolean {
    return this.#life?.held !== undefined
  }

  /** Counts the lives so far. */
  get incarnation(): number {
    return this.#incarnation
  }

  /** The world of the present life. @throws Error when the process is dead. */
  get world(): SimulatedWorld {
    return this.#living().world
  }

  /** Begins a life; `main` is called as the next event. @throws Error when the process lives already. */
  start(): void {
    if (this.running) throw new Error(`${this.name} runs already; crash it first, or restart it.`)
    if (this.#life !== undefined) this.#around.network.leave(this.#life)
    const life = new Incarnation(this.#around, this.name, ++this.#incarnation, this.disk)
    this.#life = life
    if (this.#clockRate !== 1) life.clock.setRate(this.#clockRate)
    life.clock.setWallOffset(this.#wallOffsetMs)
    this.#around.timeline.plan(0, life, () => {
      this.#record('start', `incarnation ${life.world.incarnation}`)
      const begun = this.#main(life.world)
      begun?.catch((error: unknown) => {
        if (life.alive) this.#around.fail(error)
      })
    })
  }

  /** Kills the process, as `kill -9` does. The broker notices at once. Harmless when it is dead. */
  crash(): void {
    const life = this.#end('crash')
    if (life !== undefined) this.#around.network.leave(life)
  }

  /**
   * Takes the machine's power. The broker does not notice until the process starts again: messages vanish without a word, and
   * a queue group may still choose the dead. Harmless when it is dead.
   */
  powerCut(): void {
    this.#end('power-cut')
  }

  /** Kills the process if it lives, and begins a new life on the same disk. */
  restart(): void {
    this.crash()
    this.start()
  }

  /** Stops the process in its tracks, as SIGSTOP does: what happens to it meanwhile comes all at once when it is resumed. */
  pause(): void {
    const life = this.#living()
    if (life.held !== undefined) return
    life.held = []
    this.#record('pause')
  }

  resume(): void {
    const life = this.#living()
    const { held } = life
    if (held === undefined) return
    life.held = undefined
    this.#record('resume')
    this.#around.timeline.release(held)
  }

  /** Local milliseconds for each virtual one, in this life and those to come. @throws RangeError unless it is above 0. */
  setClockRate(rate: number): void {
    if (!(rate > 0)) throw new RangeError(`A clock cannot run at ${rate}: expected a number above 0.`)
    this.#clockRate = rate
    this.#record('note', `clock rate ${rate}`)
    if (this.running) this.#living().clock.setRate(rate)
  }

  /** Sets the wall clock so far from the right time, in this life and those to come. */
  setWallOffset(offsetMs: number): void {
    this.#wallOffsetMs = offsetMs
    this.#record('note', `wall clock ${offsetMs} ms off`)
    if (this.running) this.#living().clock.setWallOffset(offsetMs)
  }

  #living(): Incarnation {
    if (this.#life?.alive) return this.#life
    throw new Error(`${this.name} is dead; start it first.`)
  }

  #end(kind: 'crash' | 'power-cut'): Incarnation | undefined {
    const life = this.#life
    if (!life?.alive) return undefined
    life.alive = false
    life.held = undefined
    this.disk.crash()
    this.#record(kind)
    return life
  }

  #record(kind: TraceKind, text = ''): void {
    this.#around.trace.record({ atMs: this.#around.timeline.nowMs, kind, from: this.name, text })
  }
}
