import { z } from 'zod'
import { type Epoch, type TransactionId, transactionId } from './id.ts'
import {
  maxBranches,
  maxCallsPerBranch,
  maxLabelLength,
  maxLockHolders,
  maxOperationsPerBranch,
  maxPayloadBytes,
  maxTextLength,
  maxWhatLength,
} from './limits.ts'
import {
  type BranchList,
  type CalledBranch,
  checkList,
  type Digest,
  isDigest,
  type OneShotBranch,
  type Operation,
  type OperationsHash,
} from './list.ts'
import {
  type GroupId,
  groupIdOf,
  type InstanceId,
  isToken,
  type Nonce,
  type OwnerName,
  ownerName,
  type ParticipantName,
  participantName,
  type Token,
} from './name.ts'
import type { LockHolder, Outcome, Reason } from './outcome.ts'
import type { Payload } from './payload.ts'
import type { Actor, DecidedBranch, RecordedHazard, ReportedHazard, Resolution } from './record.ts'
import { isTraceparent, maxTracestateLength, type TraceContext } from './trace.ts'
import type { Vote } from './vote.ts'

/** A schema for every field of `X`, optional ones too, so that none is forgotten here when one is added there. */
type Shape<X> = { readonly [K in keyof X]-?: z.ZodType<Required<X>[K]> }

type Member<M> = z.ZodType<M> & z.core.$ZodTypeDiscriminable

/** Schemas of messages that are told apart by their `type`. */
export type Members<M> = readonly [Member<M>, ...Member<M>[]]

/** An object schema that the compiler holds against the interface it is for. Unknown fields are dropped. */
export function objectOf<X>(): <S extends Shape<X>>(shape: S) => z.ZodObject<S> {
  return (shape) => z.object(shape)
}

/** An array whose length is checked before its items are: a stranger's long one costs nothing. */
export function listOf<T>(item: z.ZodType<T>, min: number, max: number): z.ZodType<T[]> {
  const fits = (value: unknown): boolean => Array.isArray(value) && value.length >= min && value.length <= max
  return z.custom<unknown[]>(fits, { error: `expected a list of ${min} to ${max}` }).pipe(z.array(item))
}

export function label(): z.ZodType<string> {
  return boundedText(1, maxLabelLength)
}

export function boundedText(min: number, max: number): z.ZodType<string> {
  return z.custom<string>((value) => typeof value === 'string' && value.length >= min && value.length <= max, {
    error: `expected a text of ${min} to ${max} characters`,
  })
}

export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  return wholeNumberAs<number>(min, max)
}

function wholeNumberAs<T extends number>(min: number, max: number): z.ZodType<T> {
  return z.custom<T>((value) => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max, {
    error: `expected a whole number from ${min} to ${max}`,
  })
}

/** A time that was measured; it may have fractions. */
export const durationMs: z.ZodType<number> = z.custom<number>(
  (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
  { error: 'expected a number of milliseconds, at least 0' },
)

/** A text that its own parse function accepts; the error is that function's. */
function parsed<T extends string>(parse: (text: string) => T): z.ZodType<T> {
  const refusal = (value: unknown): string | undefined => {
    if (typeof value !== 'string') return 'expected a text'
    try {
      parse(value)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  return z.custom<T>((value) => refusal(value) === undefined, { error: ({ input }) => refusal(input) ?? '' })
}

function matching<T extends string>(matches: (text: string) => boolean, expected: string): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'string' && matches(value), { error: `expected ${expected}` })
}

const randomText = '20 characters from a-z and 2-7'
const digestText = '26 characters from a-z and 2-7'

export const id: z.ZodType<TransactionId> = parsed(transactionId)
export const group: z.ZodType<GroupId> = parsed(groupIdOf)
export const participant: z.ZodType<ParticipantName> = parsed(participantName)
export const instance: z.ZodType<InstanceId> = matching(isToken, `an instance: ${randomText}`)
export const token: z.ZodType<Token> = matching(isToken, `a token: ${randomText}`)
export const nonce: z.ZodType<Nonce> = matching(isToken, `a nonce: ${randomText}`)
export const digest: z.ZodType<Digest> = matching(isDigest, `a digest: ${digestText}`)
export const replica: z.ZodType<string> = matching(
  (text) => /^[a-z0-9-]{1,32}$/.test(text),
  'the id of a replica: 1 to 32 characters from a-z, 0-9 and "-"',
)
export const epoch: z.ZodType<Epoch> = wholeNumberAs(0, 2 ** 32 - 1)
export const outcome: z.ZodType<Outcome> = z.enum(['committed', 'aborted'])

export const payload: z.ZodType<Payload> = z.custom<Payload>(
  (value) => value instanceof Uint8Array && value.length > 0 && value.length <= maxPayloadBytes,
  { error: `expected 1 to ${maxPayloadBytes} bytes` },
)

/** Values of the operations of one branch. */
export const branchResults: z.ZodType<Payload[]> = listOf(payload, 0, maxOperationsPerBranch)

export const trace: z.ZodType<TraceContext> = objectOf<TraceContext>()({
  traceparent: matching<string>(isTraceparent, 'a W3C traceparent'),
  tracestate: z.exactOptional(boundedText(0, maxTracestateLength)),
})

const holder: z.ZodType<LockHolder> = objectOf<LockHolder>()({
  what: boundedText(0, maxWhatLength),
  mode: z.exactOptional(label()),
  transaction: z.exactOptional(id),
  other: z.exactOptional(boundedText(0, maxWhatLength)),
})

export const reason: z.ZodType<Reason> = objectOf<Reason>()({
  code: label(),
  message: boundedText(0, maxTextLength),
  retryable: z.boolean(),
  participant: z.exactOptional(participant),
  heldBy: z.exactOptional(listOf(holder, 0, maxLockHolders)),
})

const operation: z.ZodType<Operation> = objectOf<Operation>()({ name: label(), args: payload })

/** The operations of one branch of a one-shot. */
export const branchOperations: z.ZodType<Operation[]> = listOf(operation, 1, maxOperationsPerBranch)

const listedBranch = z.discriminatedUnion('kind', [
  objectOf<CalledBranch>()({
    kind: z.literal('called'),
    participant,
    instance,
    token,
    calls: wholeNumber(1, maxCallsPerBranch),
  }),
  objectOf<OneShotBranch>()({
    kind: z.literal('oneShot'),
    participant,
    operations: matching<OperationsHash>(isDigest, `a hash of operations: ${digestText}`),
  }),
])

export const list: z.ZodType<BranchList> = listOf(listedBranch, 1, maxBranches).transform((branches, context) => {
  try {
    return checkList(branches)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    return z.NEVER
  }
})

export const vote: z.ZodType<Vote> = z.discriminatedUnion('kind', [
  objectOf<Extract<Vote, { kind: 'prepared' }>>()({
    kind: z.literal('prepared'),
    instance,
    token,
    durability: z.enum(['full', 'weak']),
    results: z.exactOptional(branchResults),
  }),
  objectOf<Extract<Vote, { kind: 'read-only' }>>()({
    kind: z.literal('read-only'),
    instance,
    token,
    results: z.exactOptional(branchResults),
    declared: z.exactOptional(z.boolean()),
  }),
  objectOf<Extract<Vote, { kind: 'refused' }>>()({ kind: z.literal('refused'), instance, reason }),
  objectOf<Extract<Vote, { kind: 'busy' }>>()({
    kind: z.literal('busy'),
    instance,
    found: z.enum(['nothing', 'underway']),
  }),
])

const reportedHazards = [
  'effects-lost',
  'committed-met-aborted',
  'aborted-met-committed',
  'other-branch-prepared',
] as const
export const reportedHazard: z.ZodType<ReportedHazard> = z.enum(reportedHazards)
export const note: z.ZodType<string> = boundedText(0, maxTextLength)

const owner: z.ZodType<OwnerName> = parsed(ownerName)

export const actor: z.ZodType<Actor> = z.discriminatedUnion('kind', [
  objectOf<Extract<Actor, { kind: 'owner' }>>()({ kind: z.literal('owner') }),
  objectOf<Extract<Actor, { kind: 'holder' }>>()({ kind: z.literal('holder'), participant }),
  objectOf<Extract<Actor, { kind: 'operator' }>>()({ kind: z.literal('operator'), by: label(), as: owner }),
])

const resolution: z.ZodType<Resolution> = objectOf<Resolution>()({
  by: label(),
  as: owner,
  because: boundedText(1, maxTextLength),
  atMs: wholeNumber(0),
})

const hazard: z.ZodType<RecordedHazard> = objectOf<RecordedHazard>()({
  participant,
  kind: z.enum([...reportedHazards, 'never-acknowledged']),
  note,
  resolved: z.exactOptional(resolution),
})

/** Each branch may report each kind once, and be given up once. */
export const hazards: z.ZodType<RecordedHazard[]> = listOf(hazard, 0, 5 * maxBranches)

const decidedBranch: z.ZodType<DecidedBranch> = objectOf<DecidedBranch>()({
  participant,
  vote: z.enum(['prepared', 'read-only', 'refused', 'unknown']),
  instance: z.exactOptional(instance),
  token: z.exactOptional(token),
})

/** None where an operator aborted what nobody had asked to commit. */
export const decidedBranches: z.ZodType<DecidedBranch[]> = listOf(decidedBranch, 0, maxBranches)
