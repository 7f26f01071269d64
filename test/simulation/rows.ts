import type { Digest, Token, TransactionId } from '@verdict/protocol'
import type { SimulatedProcess } from '@verdict/runtime/simulated'
import type { Bank } from './bank.ts'

/** What a participant has of an id, as rule R8 speaks of it. */
export type RowState = 'nothing' | 'open' | 'prepared' | 'prepared otherwise' | 'committed' | 'aborted'

interface Opening {
  readonly instance: SimulatedProcess
  readonly incarnation: number
}

/** What lies in the stores of all banks, and what is open at their instances. */
export class Rows {
  readonly #open = new Map<string, Opening>()

  constructor(banks: readonly Bank[]) {
    for (const bank of banks) {
      bank.onEvent((instance, event) => {
        if (!('id' in event) || event.id === undefined) return
        const key = `${bank.name} ${event.id}`
        if (event.kind === 'opened') this.#open.set(key, { instance, incarnation: instance.incarnation })
        else if (event.kind !== 'retrying') this.#open.delete(key)
      })
    }
  }

  /** `prepared otherwise`: under another list or token than is meant. */
  at(
    bank: Bank,
    id: TransactionId,
    meant: { readonly digest?: Digest; readonly token?: Token | undefined } = {},
  ): RowState {
    const prepared = bank.database.prepared().find(({ name }) => name.id === id)?.name
    if (prepared !== undefined) {
      const isMeant =
        (meant.digest === undefined || meant.digest === prepared.digest) &&
        (meant.token === undefined || meant.token === prepared.token)
      return isMeant ? 'prepared' : 'prepared otherwise'
    }
    const row = bank.database.rows().find((found) => found.id === id)
    if (row !== undefined) return row.state
    const opening = this.#open.get(`${bank.name} ${id}`)
    const isOpen = opening?.instance.running === true && opening.instance.incarnation === opening.incarnation
    return isOpen ? 'open' : 'nothing'
  }
}
