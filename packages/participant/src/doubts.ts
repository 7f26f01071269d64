import type { GroupId, TraceContext, TransactionId } from '@verdict/protocol'
import type { Timer } from '@verdict/runtime'
import {
  advanceRecovery,
  type Doubt,
  newRecovery,
  oldestDoubtMs,
  overdue,
  type Recovery,
  type RecoveryEvent,
  recoveryWakeAtMs,
} from './recovery.ts'
import type { Site } from './site.ts'

/** Drives recovery: asks the groups about prepared branches, and the resource for those that nobody here remembers. */
export class Doubts {
  readonly #site: Site
  readonly #recovery: Recovery = newRecovery()
  #timer: { readonly atMs: number; readonly timer: Timer } | undefined
  #sweep: Timer | undefined
  #stopped = false

  constructor(site: Site) {
    this.#site = site
  }

  get count(): number {
    return this.#recovery.watched.size
  }

  /** Age of the oldest, by what this instance knows; 0 when there is none. */
  get oldestMs(): number {
    return oldestDoubtMs(this.#recovery, this.#site.world.clock.nowMs())
  }

  /** The trace that a branch in doubt belongs to, where this instance or the resource knows it. */
  traceOf(id: TransactionId): TraceContext | undefined {
    return this.#recovery.watched.get(id)?.doubt.trace
  }

  /** This instance prepared the branch just now. */
  held(doubt: Doubt): void {
    this.#apply({ kind: 'held', doubt })
  }

  /** The resource showed it; `old` when it has been prepared for the minimum age. */
  found(doubt: Doubt, old: boolean): void {
    this.#apply({ kind: 'found', doubt, old, fraction: this.#site.world.random.fraction() })
    if (!this.#recovery.watched.has(doubt.id)) this.#site.metering.refused('maxDoubts')
  }

  ended(id: TransactionId): void {
    this.#site.troubles.ended(id)
    this.#apply({ kind: 'ended', id })
  }

  announced(group: GroupId, term: number): void {
    this.#apply({ kind: 'announced', group, term, fraction: this.#site.world.random.fraction() })
  }

  /** Looks for what earlier lives left prepared, and does so again and again. Never rejects. */
  async sweep(): Promise<void> {
    const { resource, settings, world, emit } = this.#site
    try {
      for (const row of await resource.inDoubt(settings.inquireAfterMs, settings.maxDoubts)) this.found(row, true)
    } catch (error) {
      emit({ kind: 'failed', what: 'sweeping for prepared branches', error })
    }
    this.#alarm()
    if (this.#stopped) return
    this.#sweep = world.clock.after(settings.sweepMs, () => void this.sweep())
  }

  /** Whatever is in doubt for too long, somebody has to look at; nothing is decided by that. */
  #alarm(): void {
    const { world, settings, troubles } = this.#site
    for (const { id, ageMs } of overdue(this.#recovery, world.clock.nowMs(), settings.alarmAfterMs)) {
      troubles.begin(id, 'overdue', 'Prepared, and its group has not told its outcome.', ageMs)
    }
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.timer.cancel()
    this.#sweep?.cancel()
  }

  #apply(event: RecoveryEvent): void {
    const { world, settings, post, tracing, emit } = this.#site
    const inquiries = advanceRecovery(this.#recovery, event, world.clock.nowMs(), settings)
    for (const inquiry of inquiries) {
      tracing.inquire(inquiry, () => {
        emit({ kind: 'in-doubt', group: inquiry.group, ids: inquiry.branches.map(({ id }) => id) })
        post.inquire(inquiry)
      })
    }
    this.#arm()
  }

  #arm(): void {
    const wakeAtMs = recoveryWakeAtMs(this.#recovery)
    if (this.#stopped || wakeAtMs === undefined || (this.#timer !== undefined && this.#timer.atMs <= wakeAtMs)) return
    this.#timer?.timer.cancel()
    const { clock, random } = this.#site.world
    const timer = clock.after(wakeAtMs - clock.nowMs(), () => {
      this.#timer = undefined
      this.#apply({ kind: 'woke', fraction: random.fraction() })
    })
    this.#timer = { atMs: wakeAtMs, timer }
  }
}
