import type { TransactionId } from '@verdict/protocol'
import type { Clock } from '@verdict/runtime'
import { type ReadableSpace, unsettled } from './decisions.ts'
import type { CoordinatorEvent } from './event.ts'

export interface OverduePorts {
  readonly clock: Clock
  readonly space: ReadableSpace
  readonly settings: { readonly alarmAfterMs: number }
  readonly observe: (event: CoordinatorEvent) => void
}

/** Raises an alarm for the oldest unsettled transaction when it is too old, and whenever its age has doubled. It decides nothing. */
export class Overdue {
  private readonly ports: OverduePorts
  private last: { readonly id: TransactionId; readonly ageMs: number } | undefined

  constructor(ports: OverduePorts) {
    this.ports = ports
  }

  check(): void {
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
