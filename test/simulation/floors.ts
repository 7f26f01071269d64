import { decodePacket, groupOf, type ParticipantName, parseId, type TransactionId } from '@verdict/protocol'
import type { DepartingMessage } from '@verdict/runtime/simulated'
import type { Bank } from './bank.ts'
import { InvariantError } from './invariant-error.ts'
import type { System } from './system.ts'

/** What must hold of floors (rule R12): they follow the horizon, never fall, and no row above them is deleted, but where a store goes back in time. */
export class Floors {
  readonly #system: System
  readonly #turnedBack = new Map<Bank, number>()
  readonly #rows = new Map<Bank, ReadonlySet<TransactionId>>()
  readonly #floors = new Map<Bank, number>()
  #horizon = 0

  constructor(system: System) {
    this.#system = system
  }

  departed({ payload, subject }: DepartingMessage): void {
    if (subject.includes('.raft.')) return
    const { message } = decodePacket(payload)
    if ('horizon' in message) this.#horizon = Math.max(this.#horizon, message.horizon)
  }

  /** Called after each step. */
  step(): void {
    for (const bank of this.#system.banks) {
      const { name, database } = bank
      const times = this.#system.losses.timesTurnedBack(name)
      if (times !== (this.#turnedBack.get(bank) ?? 0)) {
        this.#turnedBack.set(bank, times)
        this.#floors.delete(bank)
        this.#rows.delete(bank)
      }
      const floors = database.floors(name as ParticipantName)
      const floor = Math.max(0, ...floors.values())
      if (floor < (this.#floors.get(bank) ?? 0)) throw new InvariantError(`the floor of ${name} fell to ${floor}`)
      if (floor > this.#horizon) throw new InvariantError(`the floor of ${name} is ${floor}, above any horizon`)
      this.#floors.set(bank, floor)
      const rows = new Set(database.rows().map(({ id }) => id))
      for (const id of this.#rows.get(bank) ?? []) {
        if (!rows.has(id) && parseId(id).epoch > (floors.get(groupOf(id)) ?? 0))
          throw new InvariantError(`${name} deleted the row of ${id}, above its floor ${floor}`)
      }
      this.#rows.set(bank, rows)
    }
  }
}
