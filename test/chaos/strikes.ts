import { setTimeout as pause } from 'node:timers/promises'
import { aim, type Fault } from './faults.ts'
import type { FaultKind, PlannedFault } from './plan.ts'
import type { System } from './system.ts'
import type { Watch } from './watch.ts'

/** What became of a planned fault. */
export interface Strike {
  readonly kind: FaultKind
  readonly target: string
  readonly fromMs: number
  toMs: number
  /** Transfers that were under way when it struck. */
  readonly inFlight: readonly string[]
  /** What was seen of it from outside. */
  seen: string | undefined
}

export type Say = (text: string) => void

/** Lets the planned faults strike, each at its time, and writes down what they hit. */
export class Strikes {
  readonly done: Strike[] = []
  readonly #system: System
  readonly #watch: Watch
  readonly #say: Say
  readonly #startedMs = Date.now()
  /** Parts of the system that are broken at the moment. */
  readonly #broken = new Set<string>()
  readonly #running = new Set<Promise<void>>()

  constructor(system: System, watch: Watch, say: Say) {
    this.#system = system
    this.#watch = watch
    this.#say = say
  }

  /** Returns when all of them are over. */
  async run(plan: readonly PlannedFault[], signal: AbortSignal): Promise<void> {
    for (const planned of plan) {
      await pause(Math.max(0, this.#startedMs + planned.atMs - Date.now()))
      if (signal.aborted) break
      const running = this.#strike(planned, signal)
      this.#running.add(running)
      void running.finally(() => this.#running.delete(running))
    }
    await Promise.all(this.#running)
  }

  async #strike(planned: PlannedFault, signal: AbortSignal): Promise<void> {
    const fault = await aim(this.#system, planned)
    const line = `${seconds(Date.now() - this.#startedMs)}  ${planned.kind}`
    if (fault === undefined) return this.#say(`${line}: there is nothing to strike`)
    const busy = fault.parts.find((part) => this.#broken.has(part))
    if (busy !== undefined) return this.#say(`${line}: passed over, ${busy} is broken already`)
    await this.#break(planned, fault, line, signal)
  }

  async #break({ kind, durationMs }: PlannedFault, fault: Fault, line: string, signal: AbortSignal): Promise<void> {
    for (const part of fault.parts) this.#broken.add(part)
    this.#watch.poll()
    const inFlight = [...this.#watch.open.keys()]
    const strike: Strike = { kind, target: fault.target, fromMs: Date.now(), toMs: Infinity, inFlight, seen: undefined }
    this.done.push(strike)
    this.#say(
      `${line}: ${fault.target}, for ${(durationMs / 1_000).toFixed(1)} s, with ${inFlight.length} transfers in flight`,
    )
    await fault.begin()
    await Promise.race([pause(durationMs), aborted(signal)])
    strike.seen = await fault.end()
    strike.toMs = Date.now()
    for (const part of fault.parts) this.#broken.delete(part)
    if (strike.seen !== undefined)
      this.#say(`${seconds(strike.toMs - this.#startedMs)}  ${kind}: ${fault.target}, over: ${strike.seen}`)
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1).padStart(7)} s`
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
