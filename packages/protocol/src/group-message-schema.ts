import { z } from 'zod'
import { troubleFields } from './client-message-schema.ts'
import {
  branchOperations,
  branchResults,
  digest,
  epoch,
  id,
  instance,
  list,
  listOf,
  type Members,
  note,
  objectOf,
  outcome,
  reportedHazard,
  token,
  trace,
  vote,
  wholeNumber,
} from './field-schema.ts'
import type {
  Ack,
  Announce,
  HazardReport,
  HeldBranch,
  Inquiry,
  InquiryAnswer,
  OutcomeMessage,
  Prepare,
  Sweep,
  SweepAnswer,
  SweptRow,
  TroubleReport,
  VoteMessage,
} from './group-message.ts'
import { maxBudgetMs, maxIdsPerMessage } from './limits.ts'
import { operationsHash } from './list.ts'
import type { Control, Word } from './message.ts'
import { checkForGroup, refuse } from './sealed-schema.ts'

const leftMs = wholeNumber(0, maxBudgetMs)
const ageMs = z.exactOptional(wholeNumber(0, maxBudgetMs))
const isolation = z.exactOptional(z.literal('serializable'))
const index = wholeNumber(0)

const prepare = objectOf<Prepare>()({
  type: z.literal('prepare'),
  id,
  list,
  digest,
  operations: z.exactOptional(branchOperations),
  leftMs,
  ageMs,
  isolation,
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
      answer: z.enum(['committed', 'aborted', 'expired', 'discard', 'released', 'pending']),
      trace: z.exactOptional(trace),
    }),
    1,
    maxIdsPerMessage,
  ),
  horizon: epoch,
})

const sweptRow: z.ZodType<SweptRow> = objectOf<SweptRow>()({ id, digest, token })

const sweepAnswer = objectOf<SweepAnswer>()({
  type: z.literal('sweepAnswer'),
  answers: listOf(
    objectOf<SweepAnswer['answers'][number]>()({ id, answer: z.enum(['forgotten', 'kept']) }),
    1,
    maxIdsPerMessage,
  ),
  horizon: epoch,
})

/** Every word between a group and its participants, as it must be to be used. */
export const groupMessages: Members<Control | Word> = [
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
  objectOf<HazardReport>()({ type: z.literal('hazard'), id, digest, kind: reportedHazard, note }),
  objectOf<TroubleReport>()({
    type: z.literal('trouble'),
    branches: listOf(objectOf<TroubleReport['branches'][number]>()(troubleFields), 1, maxIdsPerMessage),
  }),
  objectOf<Inquiry>()({ type: z.literal('inquiry'), instance, branches: listOf(held, 1, maxIdsPerMessage) }),
  inquiryAnswer,
  objectOf<Sweep>()({ type: z.literal('sweep'), instance, rows: listOf(sweptRow, 1, maxIdsPerMessage) }),
  sweepAnswer,
  objectOf<Announce>()({ type: z.literal('announce'), term: index, epoch, horizon: epoch }),
]
