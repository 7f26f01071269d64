import { ClientError } from './errors.ts'

/**
 * Calls of one participant, or commits of the same participants, that one client lets wait at a time: a quarter of its transactions,
 * so that one which does not answer leaves room for those that have nothing to do with it.
 */
const maxWaitingForOne = 1_024

/** How many wait for whom. */
export class Crowd {
  private readonly waiting = new Map<string, number>()

  /** Joins those that wait for `whom`; returns what leaves them. @throws ClientError `overloaded` */
  join(whom: string): () => void {
    const count = this.waiting.get(whom) ?? 0
    if (count >= maxWaitingForOne) {
      throw new ClientError(
        'overloaded',
        `${maxWaitingForOne} transactions of this client wait for ${whom} already: begin no more of them until it answers.`,
        'maxWaitingForOne',
      )
    }
    this.waiting.set(whom, count + 1)
    return () => {
      const left = (this.waiting.get(whom) ?? 0) - 1
      if (left > 0) this.waiting.set(whom, left)
      else this.waiting.delete(whom)
    }
  }
}
