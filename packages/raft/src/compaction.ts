import { plus } from './log.ts'
import type { LogIndex } from './message.ts'
import type { RaftSettings } from './settings.ts'
import { type LogStore, maxCompactedPerWrite } from './store.ts'

/** Entries are forgotten so many at a time, or a quarter of what is retained: each time costs a record of its own. */
const compactionStep = 256

/** No follower is waited for beyond this, a sixteenth of what a store may grow to: the leader must not fall over it. */
export const maxNeededBytes: number = 1024 * 1024 * 1024

/**
 * Up to where the next write shall forget the log, if it shall (Raft paper, section 7). What is applied on disk is needed by followers
 * alone, and they only need it as long as it is cheaper than the whole space.
 * @param needed what follows one of these is needed by a follower that gets a snapshot, or got one and catches up
 */
export function nextCompaction(
  { base, state, sizes }: Pick<LogStore, 'base' | 'state' | 'sizes'>,
  { retainedEntries, retainedBytes }: Pick<RaftSettings, 'retainedEntries' | 'retainedBytes'>,
  needed: readonly (LogIndex | undefined)[],
): LogIndex | undefined {
  const { appliedIndex } = state
  const step = Math.min(compactionStep, retainedEntries / 4)
  const byEntries = appliedIndex - retainedEntries
  const wanted = Math.max(byEntries - base.index >= step ? byEntries : 0, sizes.indexBehind(retainedBytes))
  const neededIndex = Math.min(...needed.filter((index) => index !== undefined))
  const permitted = Math.max(neededIndex, sizes.indexBehind(maxNeededBytes))
  // It may move with every acknowledgement, by an entry.
  if (permitted < wanted && permitted - base.index < step) return undefined
  const target = Math.min(wanted, permitted, appliedIndex, plus(base.index, maxCompactedPerWrite))
  return target > base.index ? (target as LogIndex) : undefined
}
