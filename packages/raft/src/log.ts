import { invariant } from './invariant.ts'
import type { Entry, LogIndex, Term } from './message.ts'

/** What an entry costs beside its command's bytes, in messages and in memory, generously. */
export const entryOverheadBytes = 24

/**
 * The end of the log, in memory. What lies before `baseIndex` is applied, on disk, and read from there when a follower needs
 * it. Invariant: baseIndex ≤ durableIndex ≤ handedIndex ≤ lastIndex.
 */
export interface Log {
  /** Position right before the first entry in memory. */
  baseIndex: LogIndex
  baseTerm: Term
  entries: Entry[]
  bytes: number
  /** Up to here the store has been given what is in memory, flushed or still under way. */
  handedIndex: LogIndex
  /** Up to here the disk holds what is in memory. */
  durableIndex: LogIndex
}

export function createLog(baseIndex: LogIndex, baseTerm: Term, entries: readonly Entry[]): Log {
  const log: Log = { baseIndex, baseTerm, entries: [], bytes: 0, handedIndex: baseIndex, durableIndex: baseIndex }
  for (const entry of entries) push(log, entry)
  log.handedIndex = lastIndexOf(log)
  log.durableIndex = log.handedIndex
  return log
}

export function plus(index: LogIndex, count: number): LogIndex {
  return (index + count) as LogIndex
}

export function lastIndexOf(log: Log): LogIndex {
  return plus(log.baseIndex, log.entries.length)
}

export function lastTermOf(log: Log): Term {
  return log.entries.at(-1)?.term ?? log.baseTerm
}

/** The term at a position; undefined when it is beyond the end, or so old that only the disk knows. */
export function termAt(log: Log, index: LogIndex): Term | undefined {
  if (index === log.baseIndex) return log.baseTerm
  return index < log.baseIndex ? undefined : log.entries[index - log.baseIndex - 1]?.term
}

export function entryBytes(entry: Entry): number {
  return entry.command.length + entryOverheadBytes
}

/** Whether a log that ends so holds everything that this one may have seen committed (Raft paper, section 5.4.1). */
export function isUpToDate(log: Log, lastIndex: LogIndex, lastTerm: Term): boolean {
  const ownTerm = lastTermOf(log)
  return lastTerm > ownTerm || (lastTerm === ownTerm && lastIndex >= lastIndexOf(log))
}

/** Puts an entry at the end. */
export function push(log: Log, entry: Entry): void {
  invariant(entry.index === plus(lastIndexOf(log), 1), `entry ${entry.index} follows entry ${lastIndexOf(log)}`)
  invariant(entry.term >= lastTermOf(log), `term ${entry.term} follows term ${lastTermOf(log)} in the log`)
  log.entries.push(entry)
  log.bytes += entryBytes(entry)
}

/** Removes the entry at `index` and all that follow. */
export function truncateFrom(log: Log, index: LogIndex): void {
  invariant(index > log.baseIndex, `entry ${index} is removed though entries up to ${log.baseIndex} are applied`)
  for (const entry of log.entries.splice(index - log.baseIndex - 1)) log.bytes -= entryBytes(entry)
  const kept = plus(index, -1)
  if (log.handedIndex > kept) log.handedIndex = kept
  if (log.durableIndex > kept) log.durableIndex = kept
}

/** Entries from `from` on, as many as the bounds allow, but at least one if there is one. */
export function slice(log: Log, from: LogIndex, maxEntries: number, maxBytes: number): readonly Entry[] {
  invariant(from > log.baseIndex, `entry ${from} is in memory`)
  const start = from - log.baseIndex - 1
  return within(log.entries.slice(start, start + maxEntries), maxBytes)
}

/** As many of the first entries as fit, but at least one if there is one. */
export function within(entries: readonly Entry[], maxBytes: number): readonly Entry[] {
  let bytes = 0
  for (const [place, entry] of entries.entries()) {
    bytes += entryBytes(entry)
    if (bytes > maxBytes && place > 0) return entries.slice(0, place)
  }
  return entries
}

/** Entries that the store has not been given yet. */
export function unwritten(log: Log): readonly Entry[] {
  return log.entries.slice(log.handedIndex - log.baseIndex)
}

/** The last position up to `index` whose term is at most `term`; where only the disk knows the term, it is taken on trust. */
export function lastPossibleMatch(log: Log, index: LogIndex, term: Term): LogIndex {
  let candidate = Math.min(index, lastIndexOf(log)) as LogIndex
  while (candidate > log.baseIndex && (termAt(log, candidate) ?? term) > term) candidate = plus(candidate, -1)
  return candidate
}

/**
 * Forgets old entries beyond what shall be kept in memory; none beyond `upTo`. It waits until there are twice as many, so that
 * each entry is moved about once.
 */
export function trim(log: Log, upTo: LogIndex, keepEntries: number, keepBytes: number): void {
  if (log.entries.length <= 2 * keepEntries && log.bytes <= 2 * keepBytes) return
  const forgettable = Math.min(upTo, log.durableIndex) - log.baseIndex
  let count = 0
  let bytes = log.bytes
  while (count < forgettable && (log.entries.length - count > keepEntries || bytes > keepBytes)) {
    bytes -= entryBytes(log.entries[count++] as Entry)
  }
  const last = log.entries.splice(0, count).at(-1)
  if (last === undefined) return
  log.baseIndex = last.index
  log.baseTerm = last.term
  log.bytes = bytes
}
