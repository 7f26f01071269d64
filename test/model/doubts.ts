import { advanceRecovery, newRecovery, type Recovery } from '@verdict/participant/internal'
import { limits } from './limits.ts'

/** What an instance has in doubt, as plain data: when to ask next is a choice of the search. */
export type Doubts = Pick<Recovery, 'watched'>

export function noDoubts(): Doubts {
  return { watched: new Map() }
}

/** Advances the participant's own recovery, in which everything is due, and every announcement the first of its term. */
export function recover(
  { watched }: Doubts,
  event: Parameters<typeof advanceRecovery>[1],
): { readonly doubts: Doubts; readonly inquiries: ReturnType<typeof advanceRecovery> } {
  const recovery = newRecovery()
  for (const [id, entry] of watched) {
    recovery.watched.set(id, entry)
    recovery.schedule.set(id, 0)
  }
  const inquiries = advanceRecovery(recovery, event, 0, limits)
  return { doubts: { watched: recovery.watched }, inquiries }
}
