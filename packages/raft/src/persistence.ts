import { neededIndexOf } from './catch-up.ts'
import type { Effect } from './effect.ts'
import { invariant } from './invariant.ts'
import { lastIndexOf, unwritten } from './log.ts'
import { snapshotPersisted, takeChunk, takeComplete } from './snapshot.ts'
import { isHardStateDurable, type RaftState, settledMembershipOf } from './state.ts'

/**
 * Hands the store all that waits, unless a write is under way: then the next one gathers meanwhile. What was applied is in the log
 * already, nobody waits for it, and it touches pages all over the store: a little of it is left for a later write.
 */
export function persist(state: RaftState, effects: Effect[]): void {
  if (state.write !== undefined || installs(state, effects)) return
  const { log, hardState, settings } = state
  const entries = unwritten(log)
  const waiting = state.appliedIndex - state.appliedHandedIndex
  const appliedDue = waiting > 0 && state.sinceAppliedHandedMs >= settings.applyFlushMs
  const chunk = takeChunk(state)
  if (entries.length === 0 && isHardStateDurable(state) && !appliedDue && chunk === undefined) return
  const number = ++state.writes
  state.write = { number, hardState, lastIndex: lastIndexOf(log) }
  log.handedIndex = lastIndexOf(log)
  // After the last chunk of a snapshot nothing may be left that is meant for the space that it takes the place of.
  const takesApplied = appliedDue || waiting >= settings.applyFlushEntries || chunk !== undefined
  if (takesApplied) {
    state.appliedHandedIndex = state.appliedIndex
    state.sinceAppliedHandedMs = 0
  }
  const membership = takesApplied ? settledMembershipOf(state) : undefined
  effects.push({
    kind: 'persist',
    write: number,
    hardState,
    entries,
    membership,
    chunk,
    neededIndex: neededIndexOf(state),
  })
}

/** A complete snapshot goes alone, with term and vote: nothing of the log that it replaces is written any more. */
function installs(state: RaftState, effects: Effect[]): boolean {
  const header = takeComplete(state)
  if (header === undefined) return false
  const { hardState, log } = state
  const number = ++state.writes
  state.write = { number, hardState, lastIndex: log.durableIndex }
  effects.push({ kind: 'install', write: number, hardState, header })
  return true
}

/** Time went by: what was applied waits for more of it, but not for long. */
export function waitForWrite(state: RaftState, elapsedMs: number): void {
  if (state.appliedIndex > state.appliedHandedIndex) state.sinceAppliedHandedMs += elapsedMs
}

/** The disk holds a write: what waited for term and vote may be said. */
export function persisted(state: RaftState, number: number, effects: Effect[]): void {
  const { write, log } = state
  invariant(write?.number === number, `write ${number} is the one under way, not ${write?.number}`)
  state.write = undefined
  state.durableHardState = write.hardState
  // Entries of the write that were cut off meanwhile do not count: its last index was lowered with the cut.
  if (write.lastIndex > log.durableIndex) log.durableIndex = write.lastIndex
  snapshotPersisted(state, effects)
  if (!isHardStateDurable(state)) return
  for (const { to, message } of state.held) effects.push({ kind: 'send', to, message })
  state.held = []
}
