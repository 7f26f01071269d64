import type { Digest, Found, ParticipantName, TransactionId } from '@verdict/protocol'
import type { Cost } from './cost.ts'

/** What the caller of a committed transaction may keep of it. Plain data. */
export interface Receipt {
  readonly id: TransactionId
  /**
   * `lone`: its one participant decided it, and keeps that with its data. `logged`: the group has its decision in the log.
   * `read-only`: nothing was written, and nothing needed to be recorded.
   */
  readonly path: 'lone' | 'logged' | 'read-only'
  readonly participants: readonly ParticipantName[]
  /** Binds the id to the list of branches; undefined when no branch was opened. */
  readonly digest: Digest | undefined
  /** Whether every branch had applied it when the answer came: from then on everybody sees its effects. */
  readonly applied: boolean
  /** What it cost, for `explain`; undefined when an earlier run had committed it. */
  readonly cost: Cost | undefined
}

/** The receipt of what a look found committed. */
export function receiptOf(found: Extract<Found, { kind: 'recorded' }>): Receipt {
  return {
    id: found.id,
    path: 'logged',
    participants: found.branches.map(({ participant }) => participant),
    digest: found.digest,
    applied: found.settled,
    cost: undefined,
  }
}

/**
 * A receipt in words: the path that was taken, what it cost, and where the time went.
 *
 * ```
 * lone at payments: 4 messages (2 in series after the last call), 1 flush, no log entry, 3.2 ms
 *   calls        1.4 ms
 *   commit       0.9 ms
 *   on the way   0.9 ms
 * ```
 */
export function explain({ path, participants, cost }: Receipt): string {
  const where = participants.length === 0 ? path : `${path} at ${participants.join(', ')}`
  if (cost === undefined) return `${where}: committed by an earlier run, whose cost is not known`
  const { messages, hops, flushes, logEntries, totalMs, steps } = cost
  const counts = [
    `${many(messages, 'message')} (${hops} in series after commit was asked for)`,
    many(flushes, 'flush', 'flushes'),
    many(logEntries, 'log entry', 'log entries'),
    milliseconds(totalMs),
  ]
  const width = Math.max(...steps.map(({ name }) => name.length))
  const lines = steps.map(({ name, ms }) => `  ${name.padEnd(width)}  ${milliseconds(ms)}`)
  return [`${where}: ${counts.join(', ')}`, ...lines].join('\n')
}

function many(count: number, one: string, more = `${one}s`): string {
  return count === 0 ? `no ${one}` : `${count} ${count === 1 ? one : more}`
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`
}
