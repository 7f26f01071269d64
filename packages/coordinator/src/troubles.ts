import {
  cutText,
  type ParticipantName,
  type TransactionId,
  type Trouble,
  type TroubleKind,
  type TroubleReport,
} from '@verdict/protocol'
import type { Clock } from '@verdict/runtime'
import type { CoordinatorSettings } from './settings.ts'

interface Known {
  readonly trouble: Omit<Trouble, 'ageMs'>
  readonly sinceMs: number
  untilMs: number
}

export interface TroublesPorts {
  readonly clock: Clock
  readonly settings: Pick<CoordinatorSettings, 'troubleMs' | 'quarantineMs' | 'maxTroubles'>
  /** Said once of each trouble, when it begins. */
  readonly began: (trouble: Trouble) => void
  readonly poisoned: (id: TransactionId, error: unknown) => void
}

/**
 * What is stuck, as far as a leader knows (rule R16): what participants say that they cannot end, and transactions whose handling
 * throws here. It is for people to look at, and keeps what throws away from everybody else; nothing is decided by it.
 */
export class Troubles {
  private readonly ports: TroublesPorts
  private readonly known = new Map<string, Known>()
  /** Until when each poisoned transaction is left alone. */
  private readonly aloneUntilMs = new Map<TransactionId, number>()

  constructor(ports: TroublesPorts) {
    this.ports = ports
  }

  /** A participant says what it cannot end. */
  reported(participant: ParticipantName, { branches }: TroubleReport): void {
    for (const { id, kind, note, ageMs } of branches) {
      this.note({ id, participant, kind, note }, ageMs, this.ports.settings.troubleMs)
    }
  }

  /** A branch is stuck no more. */
  ended(id: TransactionId, participant: ParticipantName): void {
    if (this.known.size === 0) return
    for (const kind of ['quarantined', 'failing', 'overdue'] as const)
      this.known.delete(keyOf({ id, participant, kind }))
  }

  /** Whether a participant has said lately that it holds a branch which only an operator can end. */
  isQuarantined(id: TransactionId, participant: ParticipantName): boolean {
    const known = this.known.get(keyOf({ id, participant, kind: 'quarantined' }))
    return known !== undefined && known.untilMs > this.ports.clock.nowMs()
  }

  /** The longest first. */
  list(limit: number): Trouble[] {
    const nowMs = this.ports.clock.nowMs()
    for (const [key, { untilMs }] of this.known) if (untilMs <= nowMs) this.known.delete(key)
    return [...this.known.values()]
      .toSorted((one, other) => one.sinceMs - other.sinceMs)
      .slice(0, limit)
      .map(({ trouble, sinceMs }) => ({ ...trouble, ageMs: Math.max(0, Math.round(nowMs - sinceMs)) }))
  }

  count(kind: TroubleKind): number {
    const nowMs = this.ports.clock.nowMs()
    let count = 0
    for (const { trouble, untilMs } of this.known.values()) if (trouble.kind === kind && untilMs > nowMs) count += 1
    return count
  }

  /**
   * Does something for one transaction. If that throws, only this transaction is stuck: whatever it was is not told to anybody, and
   * nothing is done for it until a pause is over. `postpone` is told when that is.
   */
  contain(id: TransactionId, work: () => void, postpone: (untilMs: number) => void = () => {}): void {
    const nowMs = this.ports.clock.nowMs()
    const untilMs = this.aloneUntilMs.get(id) ?? nowMs
    if (untilMs > nowMs) {
      postpone(untilMs)
      return
    }
    try {
      work()
    } catch (error) {
      postpone(nowMs + this.ports.settings.quarantineMs)
      this.poisoned(id, error)
    }
  }

  /** A transaction is not left alone any longer: an operator wants it tried. */
  forgive(id: TransactionId): void {
    this.aloneUntilMs.delete(id)
  }

  private poisoned(id: TransactionId, error: unknown): void {
    const { clock, settings, poisoned } = this.ports
    const { quarantineMs, maxTroubles } = settings
    this.aloneUntilMs.delete(id)
    this.aloneUntilMs.set(id, clock.nowMs() + quarantineMs)
    forgetOldest(this.aloneUntilMs, maxTroubles)
    const note = cutText(error instanceof Error ? error.message : String(error))
    // It is shown until it was tried again, and a little longer.
    this.note({ id, kind: 'poisoned', note }, 0, 2 * quarantineMs)
    poisoned(id, error)
  }

  private note(trouble: Omit<Trouble, 'ageMs'>, ageMs: number, forMs: number): void {
    const { clock, settings, began } = this.ports
    const nowMs = clock.nowMs()
    const key = keyOf(trouble)
    const before = this.known.get(key)
    if (before !== undefined && before.untilMs > nowMs) {
      before.untilMs = nowMs + forMs
      return
    }
    this.known.delete(key)
    this.known.set(key, { trouble, sinceMs: nowMs - ageMs, untilMs: nowMs + forMs })
    forgetOldest(this.known, settings.maxTroubles)
    began({ ...trouble, ageMs })
  }
}

function keyOf({ id, participant, kind }: Pick<Trouble, 'id' | 'participant' | 'kind'>): string {
  return `${kind} ${id} ${participant ?? ''}`
}

function forgetOldest<K>(map: Map<K, unknown>, limit: number): void {
  const [oldest] = map.keys()
  if (map.size > limit && oldest !== undefined) map.delete(oldest)
}
