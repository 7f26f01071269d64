import type { Epoch, TransactionId } from '@verdict/protocol'
import type { Clock, Timer } from '@verdict/runtime'
import type { Command } from './command.ts'
import type { Applied } from './decisions.ts'
import { epochOf, horizonOf, isMoreToForget } from './forgetting.ts'
import type { ReadableSpace } from './records.ts'

export interface EpochsPorts {
  readonly clock: Clock
  readonly space: ReadableSpace
  /** How often the epoch moves while there is work. */
  readonly epochMs: number
  readonly keptEpochs: number
  /** Rejects when it was not applied, or nobody knows. */
  readonly propose: (command: Command) => Promise<Applied>
  /** The epoch has moved. */
  readonly moved: () => void
  /** The log holds nothing of these any more. */
  readonly forgotten: (ids: readonly TransactionId[]) => void
}

/**
 * Moves the group's epoch while there is work, and forgets behind the horizon that follows it (rule R11). After the last work it
 * goes on until the horizon has passed that too: then everything that could be forgotten is, here and at the participants, and
 * the log rests.
 */
export class Epochs {
  private readonly ports: EpochsPorts
  private timer: Timer | undefined
  /** Somebody may have learnt the present epoch. What an earlier leader told, and of what, nobody knows. */
  private used = true
  private lastUsed = 0 as Epoch
  private isProposing = false
  private stopped = false

  constructor(ports: EpochsPorts) {
    this.ports = ports
  }

  start(): void {
    const { clock, epochMs } = this.ports
    this.timer = clock.after(epochMs, () => {
      this.start()
      this.tick()
    })
  }

  stop(): void {
    this.stopped = true
    this.timer?.cancel()
  }

  /** Somebody learns the epoch, and may make ids of it. */
  use(): void {
    this.used = true
  }

  private tick(): void {
    const { space, keptEpochs } = this.ports
    if (this.used) this.lastUsed = epochOf(space)
    this.used = false
    if (horizonOf(space) < this.lastUsed || isMoreToForget(space)) this.propose({ kind: 'advance', keptEpochs })
  }

  /** One at a time: a slow log is not made slower. What it refuses the next tick proposes again. */
  private propose(command: Extract<Command, { kind: 'advance' | 'forget' }>): void {
    if (this.isProposing) return
    this.isProposing = true
    this.ports.propose(command).then(
      (applied) => this.applied(command, applied),
      () => {
        this.isProposing = false
      },
    )
  }

  private applied({ kind }: Command, applied: Applied): void {
    this.isProposing = false
    if (this.stopped) return
    if (kind === 'advance') this.ports.moved()
    if (applied.kind === 'forgotten') this.ports.forgotten(applied.ids)
    if (isMoreToForget(this.ports.space)) this.propose({ kind: 'forget' })
  }
}
