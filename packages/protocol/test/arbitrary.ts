import {
  type BranchList,
  type CalledBranch,
  digestOf,
  type Epoch,
  encodePayload,
  type GroupId,
  type GroupName,
  groupId,
  groupName,
  type Incarnation,
  makeId,
  makeIncarnation,
  makeToken,
  maxGroupNameLength,
  maxOwnerNameLength,
  maxParticipantNameLength,
  type Operation,
  type OwnerName,
  operationsHash,
  ownerName,
  type ParticipantName,
  type Payload,
  parseId,
  participantName,
  type Reason,
  sealList,
  type Token,
  type TraceContext,
  type TransactionId,
} from '@verdict/protocol'
import fc from 'fast-check'

const nameCharacters = 'abcdefghijklmnopqrstuvwxyz0123456789-'.split('')

function name(maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...nameCharacters), minLength: 1, maxLength })
}

function bytes(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length })
}

export const groups: fc.Arbitrary<GroupName> = name(maxGroupNameLength).map(groupName)
export const owners: fc.Arbitrary<OwnerName> = name(maxOwnerNameLength).map(ownerName)
export const participants: fc.Arbitrary<ParticipantName> = name(maxParticipantNameLength).map(participantName)
const incarnations: fc.Arbitrary<Incarnation> = bytes(8).map(makeIncarnation)
export const groupIds: fc.Arbitrary<GroupId> = fc.tuple(groups, incarnations).map(([g, i]) => groupId(g, i))
export const epochs: fc.Arbitrary<Epoch> = fc.nat(0xffff_ffff).map((epoch) => epoch as Epoch)

/** A token, nonce, instance or inbox. */
export function tokens<T extends Token = Token>(): fc.Arbitrary<T> {
  return bytes(12).map((random) => makeToken(random))
}

export const ids: fc.Arbitrary<TransactionId> = fc
  .tuple(groups, incarnations, epochs, owners, fc.constantFrom('kept' as const, 'once' as const), bytes(12))
  .map(([group, incarnation, epoch, owner, mark, random]) => makeId({ group, incarnation, epoch, owner, mark }, random))

/** Ids that nobody keeps: with one branch they are lone. */
export const onceIds: fc.Arbitrary<TransactionId> = ids.filter((id) => parseId(id).mark === 'once')

export const payloads: fc.Arbitrary<Payload> = fc
  .jsonValue({ maxDepth: 3 })
  .map((value) => encodePayload(value, 'a value'))

export const reasons: fc.Arbitrary<Reason> = fc.record(
  {
    code: fc.string({ minLength: 1, maxLength: 64 }),
    message: fc.string({ maxLength: 1000 }),
    retryable: fc.boolean(),
    participant: participants,
  },
  { requiredKeys: ['code', 'message', 'retryable'] },
)

function hexadecimal(length: number): fc.Arbitrary<string> {
  return bytes(length).map((random) => Buffer.from(random).toString('hex'))
}

export const traces: fc.Arbitrary<TraceContext> = fc
  .tuple(hexadecimal(16), hexadecimal(8), fc.boolean())
  .map(([trace, span, stateful]) => ({
    traceparent: `00-${trace}-${span}-01`,
    ...(stateful ? { tracestate: 'vendor=value' } : {}),
  }))

export const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.record({ name: fc.string({ minLength: 1, maxLength: 20 }), args: payloads }),
  { minLength: 1, maxLength: 3 },
)

const branchParticipants = fc.uniqueArray(participants, { minLength: 2, maxLength: 8 })

export const calledBranches: fc.Arbitrary<CalledBranch[]> = branchParticipants.chain((names) =>
  fc.tuple(
    ...names.map((participant) =>
      fc.record({
        kind: fc.constant('called' as const),
        participant: fc.constant(participant),
        instance: tokens<never>(),
        token: tokens(),
        calls: fc.integer({ min: 1, max: 1024 }),
      }),
    ),
  ),
)

export const calledLists: fc.Arbitrary<BranchList> = calledBranches.map(sealList)

/** A sealed list of one-shot branches with the operations of each, in its order. */
export const oneShots: fc.Arbitrary<{ list: BranchList; operations: Operation[][] }> = branchParticipants.chain(
  (names) =>
    fc.tuple(...names.map(() => operations)).map((all) => ({
      list: sealList(
        names.toSorted().map((participant, place) => ({
          kind: 'oneShot',
          participant,
          operations: operationsHash(all[place] ?? []),
        })),
      ),
      operations: all,
    })),
)

/** An id with a list and the digest that binds them. */
export const sealed: fc.Arbitrary<{ id: TransactionId; list: BranchList; digest: ReturnType<typeof digestOf> }> = fc
  .tuple(ids, calledLists)
  .map(([id, list]) => ({ id, list, digest: digestOf(id, list) }))
