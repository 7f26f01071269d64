import type { ParticipantSettings, Serving } from '@verdict/participant'
import type { InstanceId } from '@verdict/protocol'
import { type Bus, systemClock, systemRandom } from '@verdict/runtime'
import { CutBus } from './cut-bus.ts'
import type { TestedParticipant } from './example.ts'
import { type Plan, Probe } from './probe.ts'
import { type TappedParticipant, tapParticipant } from './tapped-participant.ts'

const settings: Partial<ParticipantSettings> = {
  lockTimeoutMs: 1_000, // two that meet wait for milliseconds; only who waits in vain gets here
  graceMs: 0,
  inquireAfterMs: 0, // what an earlier life left prepared is asked about at once
  inquirySpreadMs: 0,
  retryMs: 1,
  maxRetryMs: 20,
  drainMs: 5, // nothing that is still there when a life ends would end by itself
}

/** One life of the service's process: from the start of an instance until it is stopped, or dies. */
export class Life {
  readonly probe: Probe
  readonly #bus: CutBus
  readonly #tapped: TappedParticipant
  readonly #serving: Serving

  private constructor(probe: Probe, bus: CutBus, tapped: TappedParticipant, serving: Serving) {
    this.probe = probe
    this.#bus = bus
    this.#tapped = tapped
    this.#serving = serving
  }

  static async start(define: () => TestedParticipant, shared: Bus, plan: Plan = {}): Promise<Life> {
    const probe = new Probe(plan)
    const bus = new CutBus(shared)
    const tapped = tapParticipant(define(), probe)
    const world = { clock: systemClock, random: systemRandom, bus }
    return new Life(probe, bus, tapped, await tapped.participant.serve({ world, settings }))
  }

  get instance(): InstanceId {
    return this.#serving.instance as InstanceId
  }

  /** Whether no branch is open, and so none holds a lock that is not prepared. */
  get isQuiet(): boolean {
    return this.#tapped.open.size === 0
  }

  /** Dies: says nothing and asks its store for nothing from now on, and its connections end. */
  async crash(): Promise<void> {
    this.#bus.cut()
    this.probe.die()
    await this.#tapped.disconnect()
    await this.#serving.stop()
  }

  /** Stops in an orderly way, as at the end of a process that was asked to. */
  stop(): Promise<void> {
    return this.probe.isDead ? Promise.resolve() : this.#serving.stop()
  }
}
