import { plus } from './log.ts'
import type { LogIndex } from './message.ts'
import type { RaftSettings } from './settings.ts'
import { type LogStore, maxCompactedPerWrite } from './store.ts'

/** Entries are forgotten so many at a time, or a quarter of what is retained: each time costs a record of its own. */
const compactionStep = 256

/**
 * Up to where the next write shall forget the log, if it shall (Raft paper, section 7). What is applied on disk is needed by followers
 * alone, and they only need it as long as it is cheaper than the whole space.
 * @param heldIndex what follows it is about to be sent to a follower that gets a snapshot
 */
export function nextCompaction(
  { base, state, sizes }: Pick<LogStore, 'base' | 'state' | 'sizes'>,
  { retainedEntries, retainedBytes }: Pick<RaftSettings, 'retainedEntries' | 'retainedBytes'>,
  heldIndex: LogIndex | undefined,
): LogIndex | undefined {
  const { appliedIndex } = state
  const byEntries = appliedIndex - retainedEntries
  const isWorthIt = byEntries - base.index >= Math.min(compactionStep, retainedEntries / 4)
  const wanted = Math.max(isWorthIt ? byEntries : 0, sizes.indexBehind(retainedBytes))
  const target = Math.min(wanted, appliedIndex, heldIndex ?? appliedIndex, plus(base.index, maxCompactedPerWrite))
  return target > base.index ? (target as LogIndex) : undefined
}
