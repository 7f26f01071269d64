import {
  type Announce,
  type DecidedBranch,
  decodePacket,
  type Epoch,
  parseId,
  type Token,
  type TransactionId,
} from '@verdict/protocol'
import type { DepartingMessage } from '@verdict/runtime/simulated'
import { InvariantError } from './invariant-error.ts'
import type { System } from './system.ts'

/**
 * What must hold of forgetting (rules R11, R12): only what nobody depends on is forgotten, nothing is decided once that was told,
 * and what is kept stays bounded.
 */
export class Memory {
  readonly #system: System
  /** Told to be decided, and by now not looked for any more where it is gone. */
  readonly #outcomes = new Map<TransactionId, 'committed' | 'aborted'>()
  /** Told to be behind the horizon, with nothing recorded. */
  readonly #expired = new Set<TransactionId>()
  /** The branches of those that were told, with their votes. */
  readonly #branches = new Map<TransactionId, readonly DecidedBranch[]>()
  readonly #forgotten = new Set<TransactionId>()
  /** Decided by a participant: the group never has a record of them. */
  readonly #lone = new Set<TransactionId>()
  #horizon = 0 as Epoch
  /** The newest term that a leader has announced. */
  #term = 0

  constructor(system: System) {
    this.#system = system
  }

  /** How many transactions expired, and how many were forgotten after they had been decided. */
  get counts(): { readonly expired: number; readonly forgotten: number } {
    return { expired: this.#expired.size, forgotten: this.#forgotten.size }
  }

  /** An outcome is told for the first time. */
  told(id: TransactionId, outcome: 'committed' | 'aborted', by: string): void {
    // An abort may be told late by whoever had not heard that it was forgotten. A commit is forgotten only once all know of it.
    if (outcome === 'committed' && this.#expired.has(id))
      throw new InvariantError(`${by} tells for the first time that ${id} is committed; it had expired before`)
    this.#outcomes.set(id, outcome)
    const [record] = this.#system.running().flatMap((coordinator) => coordinator.record(id) ?? [])
    if (record !== undefined) this.#branches.set(id, record.branches)
  }

  decidedAlone(id: TransactionId): void {
    this.#lone.add(id)
  }

  /** Whether the horizon has passed it, as a leader has announced. */
  isBehind(id: TransactionId): boolean {
    return parseId(id).epoch <= this.#horizon
  }

  /** Checks what a message says of things that are gone, at the moment when it leaves. */
  departed({ from, payload, subject }: DepartingMessage): void {
    if (subject.includes('.raft.')) return
    const { message } = decodePacket(payload)
    switch (message.type) {
      case 'announce':
        this.#announced(from, message)
        break
      case 'decided':
        if (message.answer.kind === 'expired') this.#expire(from, message.id)
        break
      case 'looked':
        for (const { kind, id } of message.found) if (kind === 'expired') this.#expire(from, id)
        break
      case 'inquiryAnswer':
        for (const { id, answer } of message.answers) if (answer === 'expired') this.#expire(from, id)
        break
      case 'sweepAnswer':
        for (const { id, answer } of message.answers) if (answer === 'forgotten') this.#expire(from, id)
        break
      default:
    }
  }

  /** What is still kept although the horizon has long passed it; but for commits that nobody has seen the end of, there is nothing. */
  leftovers(): string[] {
    const isOld = (id: TransactionId): boolean => parseId(id).epoch <= this.#horizon && !this.#isUnseen(id)
    const old = [...this.#outcomes.keys()].filter(isOld)
    return [
      ...this.#system.running().flatMap((coordinator) => {
        const kept = old.filter((id) => coordinator.record(id) !== undefined)
        return kept.map((id) => `${coordinator.status().replica} keeps the record of ${id}`)
      }),
      ...this.#system.banks.flatMap(({ name, database }) =>
        database.rows().flatMap(({ id, state }) => (isOld(id) ? [`${name} keeps a row ${state} of ${id}`] : [])),
      ),
    ]
  }

  /** Whether an operator has resolved a branch of this commit that never acknowledged: its record is kept for good. */
  #isUnseen(id: TransactionId): boolean {
    const records = this.#system.running().flatMap((coordinator) => coordinator.record(id) ?? [])
    return records.some(
      ({ outcome, hazards }) => outcome === 'committed' && hazards.some(({ kind }) => kind === 'never-acknowledged'),
    )
  }

  /** Whether the horizon has passed everything that was ever told. */
  isAllBehind(): boolean {
    return [...this.#outcomes.keys(), ...this.#lone].every((id) => this.isBehind(id))
  }

  /** A leader's own state is what it announces: what is gone there had to be behind its horizon, and done with. */
  #announced(from: string, { term, horizon }: Announce): void {
    this.#horizon = Math.max(this.#horizon, horizon) as Epoch
    // A leader that does not know yet that it is deposed announces when an operator has something tried: it lacks what is new.
    if (term < this.#term) return
    this.#term = term
    const coordinator = this.#system.coordinators.get(from)
    if (coordinator === undefined) return
    for (const [id, outcome] of this.#outcomes) {
      if (coordinator.record(id) !== undefined || this.#forgotten.has(id)) continue
      this.#forgotten.add(id)
      if (parseId(id).epoch > horizon)
        throw new InvariantError(`${from} has forgotten ${id} before the horizon ${horizon}`)
      if (outcome === 'committed') this.#checkDone(from, id)
    }
  }

  /** A commit is forgotten only when no branch of it is prepared any more: each has its effects, or only read. */
  #checkDone(from: string, id: TransactionId): void {
    for (const { name, database } of this.#system.banks) {
      if (this.#system.losses.has(name, id)) continue
      // The ghost of a branch that had only read is told that it has expired.
      const counted = this.#branches
        .get(id)
        ?.find(({ participant, vote }) => participant === name && vote === 'prepared')
      const isCounted = (branch: { readonly id: TransactionId; readonly token: Token }): boolean =>
        branch.id === id && branch.token === counted?.token
      if (database.prepared().some((prepared) => isCounted(prepared.name)))
        throw new InvariantError(`${from} has forgotten ${id}, which ${name} holds prepared`)
    }
  }

  #expire(from: string, id: TransactionId): void {
    const record = this.#system.coordinators.get(from)?.record(id)
    if (record !== undefined) throw new InvariantError(`${from} tells that ${id} has expired, and has a record of it`)
    if (this.#outcomes.get(id) === 'committed') this.#checkDone(from, id)
    this.#expired.add(id)
  }
}
