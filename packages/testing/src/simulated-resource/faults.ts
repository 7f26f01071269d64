import type { Random } from '@verdict/runtime'

/** From and to, in milliseconds. */
export type RangeMs = readonly [fromMs: number, toMs: number]

/** What may go wrong between an instance and the database, and how slow both are. Probabilities are for each request. */
export interface DatabaseFaults {
  /** The connection breaks before the request arrives, which it never does. */
  readonly loseRequest: number
  /** The connection breaks for the instance; the request arrives nevertheless, up to `noticeMs` later. */
  readonly delayRequest: number
  /** The request is carried out, then the connection breaks before the answer. */
  readonly loseAnswer: number
  /** The connection breaks during PREPARE TRANSACTION, which happens nevertheless: at once or, in half of the cases, later. */
  readonly uncertainPrepare: number
  /** The same during the COMMIT of a lone branch. */
  readonly uncertainCommit: number
  /** A new connection is refused. */
  readonly refuseConnection: number
  /** A statement inside a local transaction fails (serialization failure), and its transaction with it. */
  readonly failStatement: number
  /** One way between instance and database. */
  readonly latencyMs: RangeMs
  /** One flush of the log. */
  readonly flushMs: RangeMs
  /** Until the database notices that a connection is gone and rolls its transaction back. */
  readonly noticeMs: RangeMs
}

/** Nothing goes wrong, in the usual time. */
export const noFaults: DatabaseFaults = {
  loseRequest: 0,
  delayRequest: 0,
  loseAnswer: 0,
  uncertainPrepare: 0,
  uncertainCommit: 0,
  refuseConnection: 0,
  failStatement: 0,
  latencyMs: [0.1, 0.5],
  flushMs: [0.2, 2],
  noticeMs: [0, 50],
}

export function draw(random: Random, [fromMs, toMs]: RangeMs): number {
  return fromMs + random.fraction() * (toMs - fromMs)
}
