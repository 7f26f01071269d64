import type { TransactionId } from '@verdict/protocol'

/** The last things worth remembering of transactions that hold nothing here any more; the oldest give way. */
export class Notes<Note> {
  readonly #notes = new Map<TransactionId, Note>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get(id: TransactionId): Note | undefined {
    return this.#notes.get(id)
  }

  set(id: TransactionId, note: Note): void {
    this.#notes.delete(id)
    this.#notes.set(id, note)
    if (this.#notes.size <= this.#limit) return
    for (const oldest of this.#notes.keys()) {
      this.#notes.delete(oldest)
      return
    }
  }

  delete(id: TransactionId): void {
    this.#notes.delete(id)
  }
}
