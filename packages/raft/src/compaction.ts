import { plus } from './log.ts'
import type { LogIndex } from './message.ts'
import type { RaftSettings } from './settings.ts'
import { type LogStore, maxCompactedPerWrite } from './store.ts'

/** Entries are forgotten so many at a time, or a quarter of what is retained: each time costs a record of its own. */
const compactionStep = 256

/**
 * No follower that catches up is waited for beyond this, a sixteenth of what a store may grow to by default: the leader must not fall
 * over it. A snapshot that is being sent is not bound by it: it would arrive in vain, and keeps the store from using room again anyway.
 */
export const maxNeededBytes: number = 1024 * 1024 * 1024

/** What followers need of the log. */
export interface Needs {
  /** The snapshot that is being sent stands for what is up to here: it will be needed with what follows. */
  readonly snapshotIndex?: LogIndex | undefined
  /** What follows it is needed by a follower that got a snapshot and catches up. */
  readonly neededIndex?: LogIndex | undefined
}

/**
 * Up to where the next write shall forget the log, if it shall (Raft paper, section 7). What is applied on disk is needed by followers
 * alone, and they only need it as long as it is cheaper than the whole space.
 */
export function nextCompaction(
  { base, state, sizes }: Pick<LogStore, 'base' | 'state' | 'sizes'>,
  { retainedEntries, retainedBytes }: Pick<RaftSettings, 'retainedEntries' | 'retainedBytes'>,
  needs: Needs,
): LogIndex | undefined {
  const { appliedIndex } = state
  const snapshotIndex: number = needs.snapshotIndex ?? Infinity
  const neededIndex: number = needs.neededIndex ?? Infinity
  const step = Math.min(compactionStep, retainedEntries / 4)
  const byEntries = appliedIndex - retainedEntries
  const wanted = Math.max(byEntries - base.index >= step ? byEntries : 0, sizes.indexBehind(retainedBytes))
  const permitted = Math.min(snapshotIndex, Math.max(neededIndex, sizes.indexBehind(maxNeededBytes)))
  // What followers need may move with every acknowledgement, by an entry.
  const isUpToThem = permitted === Math.min(snapshotIndex, neededIndex) && permitted < wanted
  if (isUpToThem && permitted - base.index < step) return undefined
  const target = Math.min(wanted, permitted, appliedIndex, plus(base.index, maxCompactedPerWrite))
  return target > base.index ? (target as LogIndex) : undefined
}
