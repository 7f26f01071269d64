import {
  type DecisionRecord,
  isOpen,
  type Outcome,
  type ParticipantName,
  parseId,
  type RecordedHazard,
  type TransactionId,
} from '@verdict/protocol'
import type { DepartingMessage } from '@verdict/runtime/simulated'
import type { Bank } from './bank.ts'
import type { Effects } from './effects.ts'
import { InvariantError } from './invariant-error.ts'
import type { System } from './system.ts'
import { messageOf } from './told.ts'

/** A branch that a person has to deal with. */
export interface Mishap {
  readonly participant: ParticipantName
  readonly id: TransactionId
  /** Whether it is still prepared: an outcome that it cannot honour, or another history, keeps it so. */
  readonly prepared: boolean
}

/** What a simulated database counts its histories from. */
const firstHistory = 1

/** What must hold of hazards (rules R8, R13, R16): each is there because a store lost something, and no such loss stays unknown. */
export class Hazards {
  readonly #system: System
  readonly #effects: Effects
  /** How often a participant's store had gone back in time when it prepared a branch. */
  readonly #preparedIn = new Map<string, number>()
  /** Hazards that were recorded; the record may be forgotten since. */
  readonly #known = new Set<string>()
  /** Transactions whose branches an operator has let go of. */
  readonly #released = new Set<TransactionId>()

  constructor(system: System, effects: Effects) {
    this.#system = system
    this.#effects = effects
  }

  departed(departing: DepartingMessage): void {
    const message = messageOf(departing)
    if (message?.type === 'inquiryAnswer')
      for (const { id, answer } of message.answers) if (answer === 'released') this.#released.add(id)
    if (message?.type === 'sweep')
      for (const { id } of message.rows) this.#acknowledged(departing.from, id, 'committed')
    if (message?.type === 'ack') this.#acknowledged(departing.from, message.id, message.applied)
  }

  /** What is acknowledged, or swept, stands in a row, but for one below the floor, where it is deleted or needless. */
  #acknowledged(from: string, id: TransactionId, outcome: Outcome): void {
    const bank = this.#system.banks.find(({ instances }) => instances.some(({ name }) => name === from))
    if (bank === undefined) return
    const { losses } = this.#system
    const { name, database } = bank
    const row = database.rows().find((found) => found.id === id)
    const floor = Math.max(0, ...database.floors(name as ParticipantName).values())
    if (row?.state === outcome || (row === undefined && parseId(id).epoch <= floor)) losses.acknowledged(name, id)
    else if (!losses.has(name, id))
      throw new InvariantError(`${from} acknowledges ${outcome} of ${id}, its row says ${row?.state}`)
  }

  /** What is open or prepared now, and only because something was lost. */
  mishaps(): readonly Mishap[] {
    const { banks, losses } = this.#system
    const prepared = banks.flatMap(({ name, database }) =>
      database
        .prepared()
        .flatMap(({ name: { id } }) =>
          losses.mayStay(name, id) ? [{ participant: name as ParticipantName, id, prepared: true }] : [],
        ),
    )
    const [coordinator] = this.#system.running()
    const hazardous = coordinator?.status().withHazards ?? []
    const open = hazardous.flatMap(({ id, hazards }) =>
      hazards.filter(isOpen).map(({ participant }) => ({ participant, id, prepared: false })),
    )
    return [...prepared, ...open]
  }

  /** What a bank has not as it was decided is known to be hazardous there, unless it had acknowledged the outcome before its store lost it. */
  atRest(records: readonly DecisionRecord[]): void {
    const { losses } = this.#system
    for (const { id, outcome, branches, hazards } of records) {
      for (const hazard of hazards) this.#checkLost('the record', id, hazard)
      for (const { participant, vote } of branches) {
        // Whoever ended by its vote is told nothing any more: what is done by hand to its ghost nobody sees.
        if (vote !== 'prepared' && vote !== 'unknown') continue
        const isApplied = this.#effects.has(participant, id)
        const isExpected = outcome === 'committed' && vote === 'prepared'
        if (isApplied === isExpected || losses.wasAcknowledged(participant, id)) continue
        if (!this.#known.has(`${participant} ${id}`) && !hazards.some((hazard) => hazard.participant === participant))
          throw new InvariantError(
            `${participant} has ${isApplied ? '' : 'not '}applied ${id}, which is ${outcome}, and nobody is told of a hazard`,
          )
      }
    }
  }

  quarantined({ name }: Bank, id: TransactionId): void {
    const { losses } = this.#system
    if (losses.timesTurnedBack(name) === 0)
      throw new InvariantError(`${name} keeps ${id} as one of another history, and its store has had one only`)
    losses.quarantined(name, id)
  }

  /** Called after each step. */
  step(): void {
    for (const { name, database } of this.#system.banks)
      for (const prepared of database.prepared())
        this.#preparedIn.set(`${name} ${prepared.name.id}`, prepared.history - firstHistory)
  }

  /** A branch that another store has prepared ends by an outcome, or by an operator's word (rule R13). */
  discarded({ name }: Bank, id: TransactionId): void {
    const before = this.#preparedIn.get(`${name} ${id}`)
    if (before === this.#system.losses.timesTurnedBack(name) || this.#released.has(id)) return
    throw new InvariantError(`${name} rolls ${id} back, which another store has prepared, without an outcome`)
  }

  /** A hazard is recorded. */
  recorded(replica: string, id: TransactionId, hazard: RecordedHazard): void {
    this.#known.add(`${hazard.participant} ${id}`)
    this.#checkLost(replica, id, hazard)
  }

  #checkLost(
    by: string,
    id: TransactionId,
    { participant, kind }: { participant: ParticipantName; kind: string },
  ): void {
    // That nobody has seen it end is an operator's word, not a participant's.
    if (kind === 'never-acknowledged' || this.#system.losses.has(participant, id)) return
    throw new InvariantError(
      `${by} knows of a hazard (${kind}) of ${id} at ${participant}, which has lost nothing of it`,
    )
  }
}
