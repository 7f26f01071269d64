import { lastIndexOf } from './log.ts'
import type { LogIndex } from './message.ts'
import type { Progress } from './progress.ts'
import type { RaftState } from './state.ts'

/** What counts as coming nearer: less would hold the log for days. With it a hundred thousand entries take 145 patiences at most. */
const leastGain = 1 / 16

/**
 * A follower has a snapshot and needs what was written since it was opened, which load may have made more than the log retains. As
 * long as it comes nearer to the log's end, the log waits for it: else it would need another snapshot, and under load one after the
 * other.
 */
export interface CatchUp {
  /** How many entries it was behind when it last came nearer. */
  behind: number
  sinceNearerMs: number
}

export function startCatchUp({ log }: RaftState, { matchIndex }: Progress): CatchUp {
  return { behind: lastIndexOf(log) - matchIndex, sinceNearerMs: 0 }
}

/**
 * Time went by. Whoever has not come nearer for long has arrived, is silent, or is too slow for the load: nothing waits for it any more.
 * So the entries held never exceed those at the end of the snapshot by more than the load of that time.
 */
export function waitForCatchUps(state: RaftState, elapsedMs: number): void {
  if (state.role.kind !== 'leader') return
  for (const progress of state.role.followers.values()) {
    const { catchUp } = progress
    if (catchUp === undefined) continue
    const behind = lastIndexOf(state.log) - progress.matchIndex
    catchUp.sinceNearerMs += elapsedMs
    if (behind < catchUp.behind * (1 - leastGain)) {
      catchUp.behind = behind
      catchUp.sinceNearerMs = 0
    } else if (catchUp.sinceNearerMs >= state.settings.catchUpPatienceMs) progress.catchUp = undefined
  }
}

/** What follows this index is needed by followers that catch up. */
export function neededIndexOf({ role }: RaftState): LogIndex | undefined {
  if (role.kind !== 'leader') return undefined
  let needed: LogIndex | undefined
  for (const { catchUp, matchIndex } of role.followers.values()) {
    if (catchUp !== undefined && (needed === undefined || matchIndex < needed)) needed = matchIndex
  }
  return needed
}
