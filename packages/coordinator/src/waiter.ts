import {
  type CommitCost,
  type Decided,
  type DecisionRecord,
  type Digest,
  maxResultsBytes,
  type Payload,
  reasonCodes,
} from '@verdict/protocol'
import type { Call } from './calls.ts'
import type { Asker } from './post.ts'
import { speaksOf } from './records.ts'

/** Somebody who asked for the outcome of a transaction under a list of its own. */
export interface Waiter extends Asker {
  readonly digest: Digest
  readonly wait: 'decided' | 'applied'
  readonly oneShot: boolean
  /** Its request, as it is traced; a request that came again shares that of the first one. */
  readonly call: Call
  /** What its commit cost, once it was decided here. */
  readonly cost?: CommitCost
}

/** Values by branch, in the order of the list; undefined where they are not known. */
export type Results = readonly (readonly Payload[] | undefined)[]

type Answer = Decided['answer']

/** Adds a waiter. A repeated request takes the place of the earlier one; beyond the limit the oldest is forgotten, and asks again. */
export function joinWaiters(waiters: Waiter[], waiter: Waiter, limit: number): void {
  const place = waiters.findIndex(({ inbox, request }) => inbox === waiter.inbox && request === waiter.request)
  const leaving = place === -1 && waiters.length >= limit ? 0 : place
  const [gone] = leaving === -1 ? [] : waiters.splice(leaving, 1)
  waiters.push(waiter)
  if (gone !== undefined && !waiters.some(({ call }) => call === gone.call)) {
    gone.call.dropped('too many wait for the same transaction; this one has to ask again')
  }
}

/**
 * What a waiter is told of a record (rules R1, R4): the outcome for its own list, `conflict` for another one.
 * `applied` says whether every branch has acknowledged.
 */
export function answerFrom(
  record: DecisionRecord,
  { digest, oneShot, cost }: Pick<Waiter, 'digest' | 'oneShot' | 'cost'>,
  applied: boolean,
  results: Results | undefined,
): Answer {
  const { outcome, hazards } = record
  if (!speaksOf(record, digest)) return { kind: 'conflict', recorded: record.digest, outcome }
  if (outcome === 'aborted') return { kind: 'aborted', reason: record.reason ?? unexplained }
  const asked = {
    ...(oneShot ? { results: wholeResults(results) } : {}),
    ...(cost === undefined ? {} : { took: cost }),
  }
  return { kind: 'committed', applied, hazards, ...asked }
}

const unexplained = { code: reasonCodes.clientAborted, message: 'The transaction was aborted.', retryable: true }

/** The results that an answer carries: those of every branch, or none. */
export function wholeResults(results: Results | undefined): readonly (readonly Payload[])[] | 'pending' {
  if (results === undefined) return 'pending'
  const known = results.filter((values) => values !== undefined)
  return known.length === results.length && bytesOf(known) <= maxResultsBytes ? known : 'pending'
}

/** How much memory results take. */
export function bytesOf(results: Results): number {
  return results.reduce((sum, values) => (values ?? []).reduce((inner, value) => inner + value.length, sum), 0)
}
