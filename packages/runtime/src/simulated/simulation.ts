import { forbidTheRealWorld } from './guard.ts'
import { type NetworkConditions, SimulatedNetwork } from './network.ts'
import { type Main, SimulatedProcess, type Surroundings } from './process.ts'
import { SeededRandom } from './random.ts'
import { Timeline } from './timeline.ts'
import { Trace, type TraceOptions } from './trace.ts'

// Taken before the guard forbids it: between two events the driver waits for all promises to settle.
const afterAllPromises = setImmediate

/** Lines of the trace that an error's text ends with: enough to see the way into most failures. */
const linesInErrors = 40

/** As the servers' default. */
const defaultMaxPayloadBytes = 1024 * 1024

export interface SimulationOptions {
  /** Decides everything that chance decides. */
  readonly seed: number
  readonly network?: Partial<NetworkConditions>
  readonly maxPayloadBytes?: number
  readonly trace?: TraceOptions
}

/** What a simulation failed with: the seed that brings it back, the moment, the cause, and the way there. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError'
  readonly seed: number
  constructor(seed: number, nowMs: number, cause: unknown, lines: readonly string[]) {
    const what = cause instanceof Error ? cause.message : String(cause)
    super(`Seed ${seed}, at ${nowMs.toFixed(3)} ms: ${what}\n${lines.join('\n')}`, { cause })
    this.seed = seed
  }
}

/** Virtual time, one seed, and processes that may fail in all ways. One simulation at a time runs in a real process. */
export class Simulation {
  readonly seed: number
  /** For the test's own choices; forks of it are independent of what the processes draw. */
  readonly random: SeededRandom
  readonly network: SimulatedNetwork
  readonly trace: Trace
  readonly #timeline = new Timeline()
  readonly #around: Surroundings
  readonly #processes = new Map<string, SimulatedProcess>()
  readonly #checks: (() => void)[] = []
  #failure: { readonly error: unknown } | undefined
  #running = false

  constructor(options: SimulationOptions) {
    this.seed = options.seed
    const root = new SeededRandom(options.seed)
    this.random = root.fork('test')
    this.trace = new Trace(options.trace)
    const maxPayloadBytes = options.maxPayloadBytes ?? defaultMaxPayloadBytes
    this.network = new SimulatedNetwork(
      this.#timeline,
      root.fork('network'),
      this.trace,
      maxPayloadBytes,
      options.network ?? {},
    )
    this.#around = {
      timeline: this.#timeline,
      network: this.network,
      trace: this.trace,
      random: root.fork('process'),
      fail: (error) => {
        this.#failure ??= { error }
      },
    }
  }

  /** Virtual milliseconds since the beginning. */
  get nowMs(): number {
    return this.#timeline.nowMs
  }

  get processes(): ReadonlyMap<string, SimulatedProcess> {
    return this.#processes
  }

  /**
   * Adds a process, not yet started. Without `main` it does nothing by itself: the test acts through its world.
   * @throws Error when the name is taken
   */
  process(name: string, main: Main = () => {}): SimulatedProcess {
    if (this.#processes.has(name)) throw new Error(`There is a process ${name} already.`)
    const process = new SimulatedProcess(this.#around, name, main)
    this.#processes.set(name, process)
    return process
  }

  /** Plans something of the test's own, such as a fault. Returns what calls it off. */
  plan(delayMs: number, action: () => void): () => void {
    const occurrence = this.#timeline.plan(delayMs, undefined, action)
    return () => this.#timeline.cancel(occurrence)
  }

  /** Writes a line of the test's own, or of an adapter's, into the trace. */
  note(who: string, text: string): void {
    this.trace.record({ atMs: this.nowMs, kind: 'note', from: who, text })
  }

  /** Calls `check` after each event, when all promises have settled. What it throws ends the run. */
  afterEachStep(check: () => void): void {
    this.#checks.push(check)
  }

  /**
   * Lets everything up to a moment happen; the time is that moment afterwards.
   * @throws SimulationError with what an event, a promise or a check failed with
   */
  async run(until: { readonly untilMs: number }): Promise<void> {
    await this.#drive(until.untilMs, () => false)
  }

  /**
   * Lets things happen until the condition holds: it is asked after each event.
   * @throws SimulationError when it does not hold within the bound, or as `run` does
   */
  async runUntil(condition: () => boolean, bound: { readonly withinMs: number }): Promise<void> {
    if (await this.#drive(this.nowMs + bound.withinMs, condition)) return
    const idle = this.#timeline.nextMs === undefined ? ', and nothing is left to happen' : ''
    const awaited = condition.toString()
    throw this.#error(new Error(`What was waited for did not come within ${bound.withinMs} ms${idle}: ${awaited}`))
  }

  async #drive(untilMs: number, condition: () => boolean): Promise<boolean> {
    if (this.#running) throw new Error('This simulation runs already: await the first run.')
    this.#running = true
    const allow = forbidTheRealWorld()
    const noticeRejection = (error: unknown): void => this.#around.fail(error)
    process.on('unhandledRejection', noticeRejection)
    try {
      return await this.#turns(untilMs, condition)
    } catch (error) {
      throw this.#error(error)
    } finally {
      process.off('unhandledRejection', noticeRejection)
      allow()
      this.#running = false
    }
  }

  /** One event a turn of the real event loop: promises settle in between. Resolves with whether the condition holds. */
  #turns(untilMs: number, condition: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          if (this.#failure !== undefined) throw this.#failure.error
          for (const check of this.#checks) check()
          if (condition()) {
            resolve(true)
            return
          }
          const nextMs = this.#timeline.nextMs
          if (nextMs === undefined || nextMs > untilMs) {
            this.#timeline.advanceTo(untilMs)
            resolve(false)
            return
          }
          this.#timeline.step()
          afterAllPromises(turn)
        } catch (error) {
          reject(error)
        }
      }
      afterAllPromises(turn)
    })
  }

  #error(cause: unknown): SimulationError {
    return new SimulationError(this.seed, this.nowMs, cause, this.trace.lines(linesInErrors))
  }
}
