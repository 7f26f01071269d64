import { z } from 'zod'
import type {
  Abort,
  Alone,
  Call,
  CallResult,
  Commit,
  CommitCost,
  Decided,
  Failure,
  Found,
  Hello,
  InDoubt,
  LoneDecided,
  LoneDurations,
  Look,
  Looked,
  Operate,
  Operated,
  Order,
  Release,
  Status,
  StatusReport,
  Trouble,
  Upgrade,
  Upgraded,
  Welcome,
} from './client-message.ts'
import {
  actor,
  boundedText,
  branchOperations,
  branchResults,
  decidedBranches,
  digest,
  durationMs,
  epoch,
  group,
  hazards,
  id,
  instance,
  label,
  list,
  listOf,
  type Members,
  nonce,
  note,
  objectOf,
  outcome,
  participant,
  payload,
  reason,
  replica,
  token,
  trace,
  wholeNumber,
} from './field-schema.ts'
import { maxBranches, maxBudgetMs, maxCallsPerBranch, maxIdsPerMessage, maxReplicas, maxTextLength } from './limits.ts'
import { isLone } from './lone.ts'
import type { Answer, Request } from './message.ts'
import { checkDigest, checkForGroup, checkOperations, refuse } from './sealed-schema.ts'

/** The member of a union that has this kind, maybe with others of the same shape. */
type Kind<U extends { kind: string }, K extends U['kind']> = U extends { kind: infer Own }
  ? K extends Own
    ? U
    : never
  : never
const leftMs = wholeNumber(0, maxBudgetMs)
const ageMs = z.exactOptional(wholeNumber(0, maxBudgetMs))
const isolation = z.exactOptional(z.literal('serializable'))
const index = wholeNumber(0)
/** One byte, in front of each command. */
const format = wholeNumber(1, 255)
/** Values by branch, for a one-shot. */
const results = z.union([listOf(branchResults, 0, maxBranches), z.literal('pending')])

const call = objectOf<Call>()({
  type: z.literal('call'),
  id,
  nonce,
  n: wholeNumber(1, maxCallsPerBranch),
  token: z.exactOptional(token),
  operation: label(),
  args: payload,
  leftMs,
  ageMs,
  trace: z.exactOptional(trace),
}).superRefine((message, context) => {
  if ((message.n === 1) === (message.token === undefined)) return
  refuse(context, 'token', 'expected none with call 1, and the one that call 1 was answered with every later call')
})

const callResult = objectOf<CallResult>()({
  type: z.literal('result'),
  id,
  n: wholeNumber(1, maxCallsPerBranch),
  instance,
  token: z.exactOptional(token),
  result: z.discriminatedUnion('kind', [
    objectOf<Kind<CallResult['result'], 'value'>>()({ kind: z.literal('value'), value: payload }),
    objectOf<Kind<CallResult['result'], 'refused'>>()({ kind: z.literal('refused'), reason }),
    objectOf<Kind<CallResult['result'], 'busy'>>()({ kind: z.literal('busy') }),
  ]),
})

const alone = objectOf<Alone>()({
  type: z.literal('alone'),
  id,
  list,
  digest,
  operations: z.exactOptional(branchOperations),
  leftMs,
  ageMs,
  again: z.boolean(),
  trace: z.exactOptional(trace),
}).superRefine((message, context) => {
  checkDigest(message, context)
  if (!isLone(message.id, message.list)) refuse(context, 'list', 'expected one branch, under an id that is not kept')
  if (message.operations !== undefined) checkOperations(message.list, [message.operations], context)
})

const took = objectOf<LoneDurations>()({ runMs: durationMs, commitMs: durationMs })

const loneDecided = objectOf<LoneDecided>()({
  type: z.literal('loneDecided'),
  id,
  digest,
  instance,
  answer: z.discriminatedUnion('kind', [
    objectOf<Kind<LoneDecided['answer'], 'committed'>>()({
      kind: z.literal('committed'),
      results: z.exactOptional(branchResults),
      took: z.exactOptional(took),
    }),
    objectOf<Kind<LoneDecided['answer'], 'aborted'>>()({ kind: z.literal('aborted'), reason }),
    objectOf<Kind<LoneDecided['answer'], 'read-only'>>()({
      kind: z.literal('read-only'),
      results: z.exactOptional(branchResults),
      took: z.exactOptional(took),
    }),
    objectOf<Kind<LoneDecided['answer'], 'busy'>>()({
      kind: z.enum(['expired', 'conflict', 'busy']),
    }),
  ]),
})

const commit = objectOf<Commit>()({
  type: z.literal('commit'),
  id,
  list,
  digest,
  leftMs,
  ageMs,
  ordered: z.exactOptional(z.literal(true)),
  isolation,
  operations: z.exactOptional(listOf(branchOperations, 1, maxBranches)),
  wait: z.enum(['decided', 'applied']),
  trace: z.exactOptional(trace),
}).superRefine((message, context) => {
  checkForGroup(message, context)
  if (message.operations !== undefined) checkOperations(message.list, message.operations, context)
})

const cost = objectOf<CommitCost>()({ messages: index, votesMs: durationMs, logMs: durationMs })

const abort = objectOf<Abort>()({
  type: z.literal('abort'),
  id,
  list,
  digest,
  reason,
  trace: z.exactOptional(trace),
}).superRefine(checkForGroup)

const decided = objectOf<Decided>()({
  type: z.literal('decided'),
  id,
  digest,
  epoch,
  answer: z.discriminatedUnion('kind', [
    objectOf<Kind<Decided['answer'], 'committed'>>()({
      kind: z.literal('committed'),
      results: z.exactOptional(results),
      applied: z.boolean(),
      hazards,
      took: z.exactOptional(cost),
    }),
    objectOf<Kind<Decided['answer'], 'aborted'>>()({ kind: z.literal('aborted'), reason }),
    objectOf<Kind<Decided['answer'], 'read-only'>>()({
      kind: z.literal('read-only'),
      results: z.exactOptional(results),
      took: z.exactOptional(cost),
    }),
    objectOf<Kind<Decided['answer'], 'expired'>>()({ kind: z.literal('expired') }),
    objectOf<Kind<Decided['answer'], 'conflict'>>()({ kind: z.literal('conflict'), recorded: digest, outcome }),
    objectOf<Kind<Decided['answer'], 'pending'>>()({ kind: z.literal('pending') }),
    objectOf<Kind<Decided['answer'], 'refused'>>()({ kind: z.literal('refused'), reason }),
  ]),
})

const found: z.ZodType<Found> = z.discriminatedUnion('kind', [
  objectOf<Kind<Found, 'recorded'>>()({
    kind: z.literal('recorded'),
    id,
    outcome,
    digest,
    branches: decidedBranches,
    reason: z.exactOptional(reason),
    actor,
    settled: z.boolean(),
    hazards,
    decidedAtMs: index,
    trace: z.exactOptional(trace),
  }),
  objectOf<Kind<Found, 'none' | 'expired'>>()({ kind: z.enum(['none', 'expired']), id }),
])

export const troubleFields: { readonly [Name in 'id' | 'kind' | 'note' | 'ageMs']: z.ZodType<Trouble[Name]> } = {
  id,
  kind: z.enum(['quarantined', 'failing', 'overdue', 'poisoned']),
  note,
  ageMs: index,
}

const operate = objectOf<Operate>()({
  type: z.literal('operate'),
  id,
  order: z.discriminatedUnion('kind', [
    objectOf<Kind<Order, 'abort'>>()({ kind: z.literal('abort'), by: label(), because: boundedText(1, maxTextLength) }),
    objectOf<Kind<Order, 'resolve'>>()({
      kind: z.literal('resolve'),
      participant,
      by: label(),
      because: boundedText(1, maxTextLength),
    }),
    objectOf<Kind<Order, 'retry'>>()({ kind: z.literal('retry') }),
  ]),
})

const inDoubt: z.ZodType<InDoubt> = objectOf<InDoubt>()({
  id,
  outcome,
  decidedAtMs: index,
  waitingFor: listOf(participant, 0, maxBranches),
  hazards,
})

const statusReport = objectOf<StatusReport>()({
  type: z.literal('statusReport'),
  group,
  replica,
  role: z.enum(['leader', 'follower', 'candidate', 'pre-candidate']),
  leader: z.exactOptional(replica),
  term: index,
  lastIndex: index,
  commitIndex: index,
  appliedIndex: index,
  epoch,
  horizon: epoch,
  version: label(),
  format: z.exactOptional(format),
  newestFormat: z.exactOptional(format),
  unsettled: index,
  underway: index,
  hazardous: index,
  inDoubt: listOf(inDoubt, 0, maxIdsPerMessage),
  withHazards: listOf(inDoubt, 0, maxIdsPerMessage),
  troubles: listOf(
    objectOf<Trouble>()({ ...troubleFields, participant: z.exactOptional(participant) }),
    0,
    maxIdsPerMessage,
  ),
})

/** Every request and answer, as it must be to be used. */
export const clientMessages: Members<Request | Answer> = [
  objectOf<Hello>()({ type: z.literal('hello') }),
  objectOf<Welcome>()({
    type: z.literal('welcome'),
    group,
    replicas: listOf(replica, 1, maxReplicas),
    epoch,
    horizon: epoch,
    retentionMs: wholeNumber(1),
  }),
  call,
  callResult,
  objectOf<Release>()({ type: z.literal('release'), id, token }),
  alone,
  loneDecided,
  commit,
  abort,
  decided,
  objectOf<Look>()({ type: z.literal('look'), ids: listOf(id, 1, maxIdsPerMessage), trace: z.exactOptional(trace) }),
  objectOf<Looked>()({ type: z.literal('looked'), epoch, found: listOf(found, 1, maxIdsPerMessage) }),
  objectOf<Status>()({ type: z.literal('status') }),
  statusReport,
  operate,
  objectOf<Operated>()({
    type: z.literal('operated'),
    done: z.enum(['recorded', 'released', 'tried', 'nothing']),
    found,
  }),
  objectOf<Upgrade>()({ type: z.literal('upgrade'), to: format }),
  objectOf<Upgraded>()({ type: z.literal('upgraded'), format }),
  objectOf<Failure>()({ type: z.literal('failure'), code: label(), message: boundedText(0, 2 * maxTextLength) }),
]
