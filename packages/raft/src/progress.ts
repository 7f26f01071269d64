import type { CatchUp } from './catch-up.ts'
import { plus } from './log.ts'
import type { LogIndex } from './message.ts'
import type { Outgoing } from './snapshot-supply.ts'

/** What a leader knows of one follower. Invariant: matchIndex < nextIndex. */
export interface Progress {
  /**
   * Up to here the follower's disk holds the leader's log. Never moves back: what a replica has said that its disk holds stays
   * there, so a lower answer is an old message.
   */
  matchIndex: LogIndex
  /** The next entry to send. */
  nextIndex: LogIndex
  /**
   * `probe`: one append at a time, until one fits. `replicate`: several are on their way, each right after the last. `snapshot`: what
   * it needs is no longer in the log, and it gets no appends until it has the snapshot.
   */
  mode: 'probe' | 'replicate' | 'snapshot'
  /** Last entry of each append on its way, in order. */
  inFlight: LogIndex[]
  /** Older entries are being read from the store for it. */
  loading: boolean
  /** Time since it was heard in this term. */
  silentMs: number
  /** The last round that it answered. */
  round: number
  /** Defined in mode `snapshot`. */
  outgoing: Outgoing | undefined
  /** Defined after a snapshot, until it has not come nearer to the log's end for long. */
  catchUp: CatchUp | undefined
  /** Whether it counts for majorities. */
  votes: boolean
  /** It is no member any more: time since that was committed. Undefined for a member. */
  leavingMs: number | undefined
}

export function createProgress(lastIndex: LogIndex): Progress {
  return {
    matchIndex: 0 as LogIndex,
    nextIndex: plus(lastIndex, 1),
    mode: 'probe',
    inFlight: [],
    loading: false,
    silentMs: 0,
    round: 0,
    outgoing: undefined,
    catchUp: undefined,
    votes: false,
    leavingMs: undefined,
  }
}

/** Whether another append may leave now. */
export function hasRoom(progress: Progress, maxInFlight: number): boolean {
  if (progress.loading || progress.mode === 'snapshot') return false
  return progress.inFlight.length < (progress.mode === 'probe' ? 1 : maxInFlight)
}

/** The last entry that the follower should have by now, if nothing was lost. */
export function sentIndexOf(progress: Progress): LogIndex {
  return progress.mode === 'replicate' ? plus(progress.nextIndex, -1) : progress.matchIndex
}

/** An append that ends with `lastIndex` leaves. While probing, `nextIndex` stays until it is known to fit. */
export function sent(progress: Progress, lastIndex: LogIndex): void {
  progress.inFlight.push(lastIndex)
  if (progress.mode === 'replicate') progress.nextIndex = plus(lastIndex, 1)
}

/** The follower says what it has received of this leader's log, and up to where its disk holds it. */
export function acknowledged(progress: Progress, receivedIndex: LogIndex, matchIndex: LogIndex): void {
  if (matchIndex > progress.matchIndex) progress.matchIndex = matchIndex
  if (progress.mode === 'probe' && receivedIndex >= plus(progress.nextIndex, -1)) {
    progress.mode = 'replicate'
    progress.nextIndex = plus(receivedIndex, 1)
    // The probe itself may be lost though a heartbeat's answer says that it would fit: it is sent again, and holds up nothing.
    progress.inFlight = progress.inFlight.filter((lastIndex) => lastIndex <= receivedIndex)
  }
  if (progress.nextIndex <= progress.matchIndex) progress.nextIndex = plus(progress.matchIndex, 1)
  progress.inFlight = progress.inFlight.filter((lastIndex) => lastIndex > progress.matchIndex)
}

/** The follower refused what follows `prevIndex`; `nextIndex` is the leader's next guess. Old refusals change nothing. */
export function refused(progress: Progress, prevIndex: LogIndex, nextIndex: LogIndex): void {
  if (progress.mode === 'snapshot') return
  const isOld =
    progress.mode === 'probe' ? prevIndex !== plus(progress.nextIndex, -1) : prevIndex <= progress.matchIndex
  if (!isOld) probeFrom(progress, nextIndex)
}

/** What was on its way may be lost: start again after what the follower is known to have. */
export function probeFrom(progress: Progress, nextIndex: LogIndex): void {
  progress.mode = 'probe'
  progress.nextIndex = Math.max(nextIndex, progress.matchIndex + 1) as LogIndex
  progress.inFlight = []
}
