import type { TransactionId } from '@verdict/protocol'
import type { Clock, Timer } from '@verdict/runtime'
import type { CoordinatorEvent } from './event.ts'
import { type ReadableSpace, unsettled } from './records.ts'
import type { CoordinatorSettings } from './settings.ts'

export interface OverduePorts {
  readonly clock: Clock
  readonly space: ReadableSpace
  readonly settings: Pick<CoordinatorSettings, 'alarmAfterMs' | 'epochMs'>
  readonly observe: (event: CoordinatorEvent) => void
}

/** Raises an alarm for the oldest unsettled transaction when it is too old, and whenever its age has doubled. It decides nothing. */
export class Overdue {
  private readonly ports: OverduePorts
  private timer: Timer | undefined
  private last: { readonly id: TransactionId; readonly ageMs: number } | undefined

  constructor(ports: OverduePorts) {
    this.ports = ports
  }

  /** Looks once an epoch. */
  start(): void {
    const { clock, settings } = this.ports
    this.timer = clock.after(settings.epochMs, () => {
      this.start()
      this.check()
    })
  }

  stop(): void {
    this.timer?.cancel()
  }

  private check(): void {
    const { clock, space, settings, observe } = this.ports
    const [oldest] = unsettled(space, 1).records
    if (oldest === undefined) return
    const { id, decidedAtMs } = oldest
    const ageMs = Math.round(clock.wallMs() - decidedAtMs)
    if (ageMs < (this.last?.id === id ? 2 * this.last.ageMs : settings.alarmAfterMs)) return
    this.last = { id, ageMs }
    observe({ kind: 'overdue', id, ageMs })
  }
}
