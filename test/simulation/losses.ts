import type { ParticipantName, TransactionId } from '@verdict/protocol'
import type { SimulatedDatabase } from '@verdict/testing'

type LogRecord = ReturnType<SimulatedDatabase['failover']>[number]

/** What a participant's store lost, or what was done to it by hand. */
export type Loss = LogRecord['kind'] | 'ended by hand'

/**
 * What stores lost, and of which transactions: no protocol can repair that, so the invariants excuse exactly what follows from it, and
 * nothing else.
 */
export class Losses {
  readonly #lost = new Map<string, Set<Loss>>()
  /** Transactions that a participant decided alone, or had buried, and knows nothing of any more. */
  readonly #undecided = new Set<TransactionId>()
  /** Outcomes that participants have acknowledged. */
  readonly #acknowledged = new Set<string>()
  /** How often each participant's store has gone back in time. */
  readonly #turnedBack = new Map<string, number>()
  /** Branches that a participant keeps though there is no outcome for them, since another store has prepared them. */
  readonly #quarantined = new Set<string>()
  #firstAtMs = Number.POSITIVE_INFINITY

  /** When the first effects were lost: what was read before that was whole. */
  get firstAtMs(): number {
    return this.#firstAtMs
  }

  /** It stood in a row then: what is missing later was lost later. */
  acknowledged(participant: string, id: TransactionId): void {
    this.#acknowledged.add(keyOf(participant, id))
  }

  wentBack(participant: string, lost: readonly LogRecord[], nowMs: number): void {
    this.#turnedBack.set(participant, this.timesTurnedBack(participant) + 1)
    for (const record of lost) for (const id of idsOf(record)) this.#add(participant, id, record.kind, nowMs)
    for (const record of lost)
      if (record.kind === 'commit' && record.row !== undefined) this.#undecided.add(record.row.id)
  }

  endedByHand(participant: ParticipantName, id: TransactionId, nowMs: number): void {
    this.#add(participant, id, 'ended by hand', nowMs)
  }

  has(participant: string, id: TransactionId): boolean {
    return this.#lost.has(keyOf(participant, id))
  }

  /** Whether anything of the transaction was lost anywhere. */
  hasAny(id: TransactionId): boolean {
    return [...this.#lost.keys()].some((key) => key.endsWith(` ${id}`))
  }

  wasEndedByHand(participant: string, id: TransactionId): boolean {
    return this.#lost.get(keyOf(participant, id))?.has('ended by hand') ?? false
  }

  /** Whether nobody tells the participant again what it lost: it had acknowledged the outcome before. */
  wasAcknowledged(participant: string, id: TransactionId): boolean {
    return this.#acknowledged.has(keyOf(participant, id))
  }

  /** Whether the row that decided it, or that kept it from being decided otherwise, is gone. */
  isUndecided(id: TransactionId): boolean {
    return this.#undecided.has(id)
  }

  timesTurnedBack(participant: string): number {
    return this.#turnedBack.get(participant) ?? 0
  }

  quarantined(participant: string, id: TransactionId): void {
    this.#quarantined.add(keyOf(participant, id))
  }

  /** Whether a branch may be prepared for good: something of it was lost, or it waits for an operator in another history (rule R13). */
  mayStay(participant: string, id: TransactionId): boolean {
    return this.has(participant, id) || this.#quarantined.has(keyOf(participant, id))
  }

  #add(participant: string, id: TransactionId, loss: Loss, nowMs: number): void {
    const key = keyOf(participant, id)
    const known = this.#lost.get(key) ?? new Set()
    this.#lost.set(key, known.add(loss))
    this.#firstAtMs = Math.min(this.#firstAtMs, nowMs)
  }
}

function idsOf(record: LogRecord): readonly TransactionId[] {
  switch (record.kind) {
    case 'commit':
      return record.row === undefined ? [] : [record.row.id]
    case 'prepare':
      return [record.prepared.name.id]
    case 'commit-prepared':
    case 'rollback-prepared':
      return [record.name.id]
    // A floor is raised again, and rows are deleted again.
    case 'floor':
    case 'delete':
      return []
  }
}

function keyOf(participant: string, id: TransactionId): string {
  return `${participant} ${id}`
}
