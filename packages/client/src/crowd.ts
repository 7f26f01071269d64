import type { Clock } from '@verdict/runtime'
import { ClientError } from './errors.ts'

/**
 * Calls of one participant, or commits of the same participants, that one client lets wait at a time: a quarter of its transactions,
 * so that one which does not answer leaves room for those that have nothing to do with it.
 */
export const maxWaitingForOne = 1_024

/**
 * As many wait for one that has not answered for `silentMs`: enough to notice that it is back, too few to fill the places of the other
 * participants that they are open at.
 */
export const maxWaitingForSilent = 32

/** Longer than an answer takes that waits for a lock. */
export const silentMs = 5_000

interface Waiting {
  count: number
  /** When the last answer came, or the first one began to wait. */
  heardAtMs: number
}

/** How many wait for whom. */
export class Crowd {
  private readonly clock: Pick<Clock, 'nowMs'>
  private readonly waiting = new Map<string, Waiting>()

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.clock = clock
  }

  /** Joins those that wait for `whom`; returns what leaves them, answered or not. @throws ClientError `overloaded` */
  join(whom: string): (isAnswered: boolean) => void {
    const nowMs = this.clock.nowMs()
    const waiting = this.waiting.get(whom) ?? { count: 0, heardAtMs: nowMs }
    const isSilent = nowMs - waiting.heardAtMs > silentMs
    const [most, limit] = isSilent
      ? [maxWaitingForSilent, 'maxWaitingForSilent']
      : [maxWaitingForOne, 'maxWaitingForOne']
    if (waiting.count >= most) {
      throw new ClientError(
        'overloaded',
        `${waiting.count} transactions of this client wait for ${whom} already: begin no more of them until it answers.`,
        limit,
      )
    }
    this.waiting.set(whom, waiting)
    waiting.count += 1
    return (isAnswered) => {
      if (isAnswered) waiting.heardAtMs = this.clock.nowMs()
      waiting.count -= 1
      if (waiting.count === 0) this.waiting.delete(whom)
    }
  }
}
