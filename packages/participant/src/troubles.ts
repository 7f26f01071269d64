import {
  cutText,
  type GroupId,
  groupOf,
  maxIdsPerMessage,
  type TransactionId,
  type TroubleKind,
  type TroubleReport,
} from '@verdict/protocol'
import type { Timer, World } from '@verdict/runtime'
import type { Observer } from './event.ts'
import type { Post } from './post.ts'
import type { ParticipantSettings } from './settings.ts'

interface Known {
  readonly kind: TroubleKind
  readonly note: string
  readonly sinceMs: number
  /** Until when it is told; what began it may begin it again. */
  readonly untilMs: number
}

export interface TroublesPorts {
  readonly world: World
  readonly settings: ParticipantSettings
  readonly post: Post
  readonly emit: Observer
}

/**
 * Branches that this instance cannot end (rule R16): their groups are told, again and again, so that status shows them, and whoever
 * watches this instance is told once. Nothing is decided by it.
 */
export class Troubles {
  readonly #ports: TroublesPorts
  readonly #known = new Map<TransactionId, Known>()
  #timer: Timer | undefined
  #stopped = false

  constructor(ports: TroublesPorts) {
    this.#ports = ports
  }

  /** A branch is stuck, and has been for `ageMs`. */
  begin(id: TransactionId, kind: TroubleKind, note: string, ageMs = 0): void {
    const { world, settings, emit } = this.#ports
    const before = this.#known.get(id)
    // Why it is stuck says more than that it is.
    if (before !== undefined && (before.kind === kind || kind === 'overdue')) return
    if (before === undefined && this.#known.size >= settings.maxTroubles) return
    const nowMs = world.clock.nowMs()
    const untilMs = kind === 'poisoned' ? nowMs + settings.poisonedMs : Number.POSITIVE_INFINITY
    this.#known.set(id, { kind, note: cutText(note), sinceMs: nowMs - ageMs, untilMs })
    emit({ kind: 'trouble', id, trouble: kind, note })
    this.#arm(0)
  }

  /** Dealing with a transaction threw: nobody else shall suffer from it. */
  poisoned(id: TransactionId, error: unknown): void {
    this.begin(id, 'poisoned', error instanceof Error ? error.message : String(error))
  }

  /** It is stuck no more: it has ended, or is not here any more. */
  ended(id: TransactionId): void {
    this.#known.delete(id)
  }

  count(kind: TroubleKind): number {
    let count = 0
    for (const known of this.#known.values()) if (known.kind === kind) count += 1
    return count
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #arm(afterMs: number): void {
    const { world, settings } = this.#ports
    if (this.#stopped || this.#known.size === 0) return
    if (afterMs === 0) this.#timer?.cancel()
    this.#timer = world.clock.after(afterMs, () => {
      this.#report()
      this.#arm(settings.troubleReportMs)
    })
  }

  #report(): void {
    const { world, post } = this.#ports
    const nowMs = world.clock.nowMs()
    const byGroup = new Map<GroupId, TroubleReport['branches'][number][]>()
    for (const [id, { kind, note, sinceMs, untilMs }] of this.#known) {
      if (untilMs <= nowMs) {
        this.#known.delete(id)
        continue
      }
      const group = groupOf(id)
      const branches = byGroup.get(group) ?? []
      branches.push({ id, kind, note, ageMs: Math.max(0, Math.round(nowMs - sinceMs)) })
      byGroup.set(group, branches)
    }
    for (const [group, branches] of byGroup) {
      for (let from = 0; from < branches.length; from += maxIdsPerMessage) {
        post.trouble(group, branches.slice(from, from + maxIdsPerMessage))
      }
    }
  }
}
