import type { TransactionId } from '@verdict/protocol'
import { accounts, type Bank, openingBalance } from './bank.ts'
import { InvariantError } from './invariant-error.ts'
import type { System } from './system.ts'

type Effect = ReturnType<Bank['database']['effects']>[number]

/** Effects that are final, at each bank: at most once for each transaction, and of a transaction all or none. */
export class Effects {
  readonly #system: System
  /** What was seen of each bank, in its order. A store that goes back in time takes the newest away. */
  readonly #seen = new Map<string, Effect[]>()

  constructor(system: System) {
    this.#system = system
  }

  /** Those that have come since the last time. */
  fresh(): { readonly bank: string; readonly effect: Effect }[] {
    return this.#system.banks.flatMap(({ name, database }) => {
      const effects = database.effects()
      const seen = this.#seen.get(name) ?? []
      const isNewest = seen.length === 0 || effects[seen.length - 1]?.name.id === seen.at(-1)?.name.id
      const isUnchanged = isNewest && effects.length >= seen.length
      const known = isUnchanged
        ? seen.length
        : seen.findIndex(({ name: { id } }, place) => effects[place]?.name.id !== id)
      const kept = seen.slice(0, known)
      const fresh = effects.slice(known)
      for (const [place, effect] of fresh.entries()) {
        const { id } = effect.name
        const isThere = [...kept, ...fresh.slice(0, place)].some((other) => other.name.id === id)
        if (isThere) throw new InvariantError(`${name} applied ${id} twice`)
      }
      if (fresh.length > 0 || !isUnchanged) this.#seen.set(name, [...kept, ...fresh])
      return fresh.map((effect) => ({ bank: name, effect }))
    })
  }

  has(bank: string, id: TransactionId): boolean {
    return this.#seen.get(bank)?.some(({ name }) => name.id === id) ?? false
  }

  /** Each transaction moved money, and neither made nor lost any; what stands in the accounts is the sum of them. */
  atRest(): void {
    const moved = new Map<TransactionId, number>()
    for (const bank of this.#system.banks) {
      const balances = new Map<string, number>(accounts.map((account) => [account, openingBalance]))
      for (const { name, writes } of this.#seen.get(bank.name) ?? []) {
        for (const [account, value] of writes) {
          const delta = Number(value) - (balances.get(account) ?? 0)
          moved.set(name.id, (moved.get(name.id) ?? 0) + delta)
          balances.set(account, Number(value))
        }
      }
      for (const [account, balance] of balances) {
        if (Number(bank.database.value(account)) !== balance)
          throw new InvariantError(
            `${bank.name} has another balance of ${account} than ${balance}, which was moved there`,
          )
      }
    }
    for (const [id, sum] of moved) {
      if (sum !== 0 && !this.#system.losses.hasAny(id))
        throw new InvariantError(`${id} changed the sum over all banks by ${sum}`)
    }
  }
}
