import { z } from 'zod'
import {
  boundedText,
  branchOperations,
  branchResults,
  decidedBranches,
  digest,
  durationMs,
  epoch,
  group,
  hazardKind,
  hazards,
  id,
  instance,
  label,
  list,
  listOf,
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
  vote,
  wholeNumber,
} from './field-schema.ts'
import type { TransactionId } from './id.ts'
import {
  maxBranches,
  maxBudgetMs,
  maxCallsPerBranch,
  maxIdsPerMessage,
  maxOperationsBytes,
  maxReplicas,
  maxTextLength,
} from './limits.ts'
import { type BranchList, type Digest, digestOf, type Operation, operationsHash } from './list.ts'
import { isLone } from './lone.ts'
import type {
  Abort,
  Ack,
  Alone,
  Announce,
  Call,
  CallResult,
  Commit,
  CommitCost,
  Decided,
  Failure,
  Found,
  HazardReport,
  HeldBranch,
  Hello,
  Inquiry,
  InquiryAnswer,
  LoneDecided,
  LoneDurations,
  Look,
  Looked,
  Message,
  OutcomeMessage,
  Prepare,
  Release,
  Status,
  StatusReport,
  Upgrade,
  Upgraded,
  VoteMessage,
  Welcome,
} from './message.ts'

/** The member of a union that has this kind, maybe with others of the same shape. */
type Kind<U extends { kind: string }, K extends U['kind']> = U extends { kind: infer Own }
  ? K extends Own
    ? U
    : never
  : never
type Context = z.RefinementCtx<unknown>

const leftMs = wholeNumber(0, maxBudgetMs)
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
    settled: z.boolean(),
    hazards,
    decidedAtMs: index,
    trace: z.exactOptional(trace),
  }),
  objectOf<Kind<Found, 'none' | 'expired'>>()({ kind: z.enum(['none', 'expired']), id }),
])

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
  inDoubt: listOf(
    objectOf<StatusReport['inDoubt'][number]>()({
      id,
      outcome,
      decidedAtMs: index,
      waitingFor: listOf(participant, 0, maxBranches),
      hazards,
    }),
    0,
    maxIdsPerMessage,
  ),
})

const prepare = objectOf<Prepare>()({
  type: z.literal('prepare'),
  id,
  list,
  digest,
  operations: z.exactOptional(branchOperations),
  leftMs,
  term: index,
  horizon: epoch,
  trace: z.exactOptional(trace),
}).superRefine((message, context) => {
  checkForGroup(message, context)
  if (message.operations === undefined) return
  const hash = operationsHash(message.operations)
  if (message.list.some((branch) => branch.kind === 'oneShot' && branch.operations === hash)) return
  refuse(context, 'operations', 'expected operations that a branch of the list has the hash of')
})

const held: z.ZodType<HeldBranch> = objectOf<HeldBranch>()({
  id,
  digest,
  token,
  list: z.exactOptional(list),
  trace: z.exactOptional(trace),
})

const inquiryAnswer = objectOf<InquiryAnswer>()({
  type: z.literal('inquiryAnswer'),
  answers: listOf(
    objectOf<InquiryAnswer['answers'][number]>()({
      id,
      digest,
      token: z.exactOptional(token),
      answer: z.enum(['committed', 'aborted', 'expired', 'discard', 'pending']),
      trace: z.exactOptional(trace),
    }),
    1,
    maxIdsPerMessage,
  ),
  horizon: epoch,
})

/** Every message, as it must be to be used. */
export const message: z.ZodType<Message> = z.discriminatedUnion('type', [
  objectOf<Hello>()({ type: z.literal('hello') }),
  objectOf<Welcome>()({
    type: z.literal('welcome'),
    group,
    replicas: listOf(replica, 1, maxReplicas),
    epoch,
    horizon: epoch,
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
  objectOf<Looked>()({ type: z.literal('looked'), found: listOf(found, 1, maxIdsPerMessage) }),
  objectOf<Status>()({ type: z.literal('status') }),
  statusReport,
  objectOf<Upgrade>()({ type: z.literal('upgrade'), to: format }),
  objectOf<Upgraded>()({ type: z.literal('upgraded'), format }),
  objectOf<Failure>()({ type: z.literal('failure'), code: label(), message: boundedText(0, 2 * maxTextLength) }),
  prepare,
  objectOf<VoteMessage>()({ type: z.literal('vote'), id, digest, vote }),
  objectOf<OutcomeMessage>()({
    type: z.literal('outcome'),
    id,
    digest,
    token: z.exactOptional(token),
    outcome,
    horizon: epoch,
    trace: z.exactOptional(trace),
  }),
  objectOf<Ack>()({
    type: z.literal('ack'),
    id,
    digest,
    instance,
    applied: outcome,
    results: z.exactOptional(branchResults),
  }),
  objectOf<HazardReport>()({ type: z.literal('hazard'), id, digest, kind: hazardKind, note }),
  objectOf<Inquiry>()({ type: z.literal('inquiry'), instance, branches: listOf(held, 1, maxIdsPerMessage) }),
  inquiryAnswer,
  objectOf<Announce>()({ type: z.literal('announce'), term: index, epoch, horizon: epoch }),
])

/** What a group is to decide, or asks a vote for, is no lone transaction (rules R4, R9). */
function checkForGroup(
  sealed: { readonly id: TransactionId; readonly list: BranchList; readonly digest: Digest },
  context: Context,
): void {
  checkDigest(sealed, context)
  if (isLone(sealed.id, sealed.list))
    refuse(context, 'list', 'expected two branches or more: a group decides one branch only under an id that is kept')
}

function checkDigest(
  sealed: { readonly id: TransactionId; readonly list: BranchList; readonly digest: Digest },
  context: Context,
): void {
  if (digestOf(sealed.id, sealed.list) !== sealed.digest)
    refuse(context, 'digest', 'expected the digest of id and list')
}

function checkOperations(list: BranchList, operations: readonly (readonly Operation[])[], context: Context): void {
  if (operations.length !== list.length) {
    refuse(context, 'operations', `expected operations for each of the ${list.length} branches`)
    return
  }
  const bytes = operations.flat().reduce((sum, { args }) => sum + args.length, 0)
  if (bytes > maxOperationsBytes) refuse(context, 'operations', `expected at most ${maxOperationsBytes} bytes in all`)
  const stranger = list.findIndex(
    (branch, place) => branch.kind !== 'oneShot' || branch.operations !== operationsHash(operations[place] ?? []),
  )
  if (stranger !== -1)
    refuse(context, 'operations', `expected those that branch ${stranger} of the list has the hash of`)
}

function refuse(context: Context, field: string, message: string): void {
  context.addIssue({ code: 'custom', path: [field], message })
}
