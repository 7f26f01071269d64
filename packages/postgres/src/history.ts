import { createHash } from 'node:crypto'

/**
 * Which server, on which timeline, prepared a branch (rule R13): 40 bits in hexadecimal. After a failover, or a restore to an
 * earlier moment, the timeline is another one, and what was prepared before may have been lost with the old server.
 */
export type HistoryMark = string & { readonly __brand: 'HistoryMark' }

const markLength = 10

/** The mark of a server: its system identifier, and the timeline of the log file it writes now (8 hexadecimal digits). */
export function historyMark(systemIdentifier: string, timeline: string): HistoryMark {
  const hash = createHash('sha256').update(`${systemIdentifier} ${timeline}`)
  return hash.digest('hex').slice(0, markLength) as HistoryMark
}

const markPattern = new RegExp(`^[0-9a-f]{${markLength}}$`)

export function isHistoryMark(text: string): text is HistoryMark {
  return markPattern.test(text)
}
