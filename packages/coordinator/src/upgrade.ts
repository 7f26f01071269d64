import type { Replica } from '@verdict/raft'
import type { Applied } from './decisions.ts'
import type { CoordinatorEvent } from './event.ts'
import { formatOf } from './format.ts'
import type { Asker, Post } from './post.ts'

interface UpgradePorts {
  /** The newest format that this replica reads. */
  readonly newestFormat: number
  readonly space: Replica<Applied>['space']
  readonly post: Post
  /** Puts the new format into the log. */
  readonly raise: (to: number) => Promise<Applied>
  readonly observe: (event: CoordinatorEvent) => void
}

/**
 * Raises the group's format, as an operator orders who has seen that every replica reads it, and answers with the format that then
 * stands. Without an answer it may have been raised: ordered again it is no other order.
 */
export function upgrade(to: number, asker: Asker, { newestFormat, space, post, raise, observe }: UpgradePorts): void {
  if (to > newestFormat) {
    const message = `The leader reads formats up to ${newestFormat}, not ${to}. Start the newer release on every replica first.`
    post.answer(asker, { type: 'failure', code: 'unreadable-format', message })
    return
  }
  const answer = (): void => post.answer(asker, { type: 'upgraded', format: formatOf(space) })
  if (to <= formatOf(space)) {
    answer()
    return
  }
  raise(to).then(
    () => {
      observe({ kind: 'upgraded', format: formatOf(space) })
      answer()
    },
    // Leadership is lost, or the log is overloaded: whoever still waits asks again.
    () => undefined,
  )
}
