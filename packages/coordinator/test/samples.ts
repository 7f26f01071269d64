import {
  type BranchList,
  type CalledBranch,
  type Decision,
  type Digest,
  digestOf,
  type Epoch,
  type GroupId,
  groupId,
  groupName,
  type IdMark,
  type InboxToken,
  type InstanceId,
  type ListedBranch,
  makeId,
  makeIncarnation,
  makeToken,
  type Operation,
  type OwnerName,
  operationsHash,
  ownerName,
  type ParticipantName,
  type Payload,
  participantName,
  sealList,
  type Token,
  type TransactionId,
  type Vote,
} from '@verdict/protocol'
import type { Sealed } from '../src/commit-state.ts'

/** Twelve bytes that differ for each number. */
function bytes(number: number): Uint8Array {
  const twelve = new Uint8Array(12)
  new DataView(twelve.buffer).setUint32(8, number)
  return twelve
}

const incarnation = makeIncarnation(new Uint8Array(8))
export const group: GroupId = groupId(groupName('main'), incarnation)
export const owner: OwnerName = ownerName('checkout')

export function id(
  number: number,
  { epoch = 1, mark = 'once' }: { epoch?: number; mark?: IdMark } = {},
): TransactionId {
  return makeId({ group: groupName('main'), incarnation, epoch: epoch as Epoch, owner, mark }, bytes(number))
}

export function foreignId(number: number): TransactionId {
  return makeId({ group: groupName('other'), incarnation, epoch: 1 as Epoch, owner, mark: 'once' }, bytes(number))
}

export function participant(name: string): ParticipantName {
  return participantName(name)
}

export const [p, q, s]: [ParticipantName, ParticipantName, ParticipantName] = [
  participant('payments'),
  participant('quotes'),
  participant('stock'),
]

/** The instance `number` of a participant: 0 is the one that a list names. */
export function instance(of: ParticipantName, number = 0): InstanceId {
  return makeToken<InstanceId>(bytes(of.charCodeAt(0) * 100 + number))
}

export function token(of: ParticipantName, number = 0): Token {
  return makeToken<Token>(bytes(of.charCodeAt(0) * 100 + 50 + number))
}

export function inboxToken(number: number): InboxToken {
  return makeToken<InboxToken>(bytes(90_000 + number))
}

export function called(of: ParticipantName, number = 0): CalledBranch {
  return { kind: 'called', participant: of, instance: instance(of), token: token(of, number), calls: 1 }
}

export function value(text: string): Payload {
  return new TextEncoder().encode(text) as Payload
}

export const operations: readonly Operation[] = [{ name: 'debit', args: value('ten') }]

export function oneShot(of: ParticipantName): ListedBranch {
  return { kind: 'oneShot', participant: of, operations: operationsHash(operations) }
}

export function calledList(...of: readonly ParticipantName[]): BranchList {
  return sealList(of.map((name) => called(name)))
}

export function sealed(of: TransactionId, list: BranchList): Sealed {
  const isOneShot = list[0]?.kind === 'oneShot'
  return { list, digest: digestOf(of, list), operations: isOneShot ? list.map(() => operations) : undefined }
}

export function prepared(
  of: ParticipantName,
  over: { instance?: InstanceId; token?: Token; results?: Payload[] } = {},
): Vote {
  return { kind: 'prepared', instance: instance(of), token: token(of), durability: 'full', ...over }
}

export function readOnly(of: ParticipantName): Extract<Vote, { kind: 'read-only' }> {
  return { kind: 'read-only', instance: instance(of), token: token(of) }
}

export function refused(of: ParticipantName, code = 'insufficient-funds'): Vote {
  return { kind: 'refused', instance: instance(of), reason: { code, message: 'No.', retryable: false } }
}

/** A decision that breaks no rule: every branch of `list` voted prepared, or none has voted. */
export function decision(
  of: TransactionId,
  outcome: Decision['outcome'],
  list: BranchList = calledList(p, q),
): Decision {
  return {
    id: of,
    outcome,
    digest: digestOf(of, list),
    branches: list.map(({ participant: name }) => ({
      participant: name,
      vote: outcome === 'committed' ? 'prepared' : 'unknown',
      instance: instance(name),
      token: token(name),
    })),
    actor: { kind: 'owner' },
    decidedAtMs: 1_700_000_000_000,
    ...(outcome === 'aborted' ? { reason: { code: 'client-aborted', message: 'Given up.', retryable: true } } : {}),
  }
}

export function otherDigest(of: TransactionId): Digest {
  return digestOf(of, calledList(p, q, s))
}
