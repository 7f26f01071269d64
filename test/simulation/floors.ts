import { decodePacket, groupOf, type ParticipantName, parseId, type TransactionId } from '@verdict/protocol'
import type { DepartingMessage } from '@verdict/runtime/simulated'
import type { Bank } from './bank.ts'
import { InvariantError } from './invariant-error.ts'

/** What must hold of floors (rule R12): they follow the horizon, never fall, and no row above them is deleted. */
export class Floors {
  readonly #banks: readonly Bank[]
  readonly #rows = new Map<Bank, ReadonlySet<TransactionId>>()
  readonly #floors = new Map<Bank, number>()
  #horizon = 0

  constructor(banks: readonly Bank[]) {
    this.#banks = banks
  }

  departed({ payload, subject }: DepartingMessage): void {
    if (subject.includes('.raft.')) return
    const { message } = decodePacket(payload)
    if ('horizon' in message) this.#horizon = Math.max(this.#horizon, message.horizon)
  }

  /** Called after each step. */
  step(): void {
    for (const bank of this.#banks) {
      const { name, database } = bank
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
