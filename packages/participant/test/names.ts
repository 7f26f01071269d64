import {
  type BranchList,
  type Digest,
  digestOf,
  encodePayload,
  type GroupId,
  groupId,
  groupName,
  type InstanceId,
  makeId,
  makeIncarnation,
  makeToken,
  type Nonce,
  type Operation,
  operationsHash,
  ownerName,
  type Payload,
  participantName,
  sealList,
  type Token,
  type TransactionId,
} from '@verdict/protocol'

/** Twelve bytes, others for each number of 32 bits. */
function bytes(seed: number): Uint8Array {
  const all = new Uint8Array(12).fill(seed)
  new DataView(all.buffer).setUint32(0, seed)
  return all
}

export const owner = ownerName('checkout')
export const me = participantName('payments')
export const other = participantName('orders')
const companion = participantName('stock')
const incarnation = makeIncarnation(bytes(1))
export const group: GroupId = groupId(groupName('main'), incarnation)
export const otherGroup: GroupId = groupId(groupName('main'), makeIncarnation(bytes(2)))

/** The n-th transaction of `owner`. */
export function idOf(n: number, of: typeof owner = owner): TransactionId {
  return makeId({ group: groupName('main'), incarnation, epoch: 7 as never, owner: of, mark: 'once' }, bytes(n))
}

/** The n-th transaction whose id `owner` keeps, to run it again. */
export function keptIdOf(n: number): TransactionId {
  return makeId({ group: groupName('main'), incarnation, epoch: 7 as never, owner, mark: 'kept' }, bytes(n))
}

export const id: TransactionId = idOf(1)
export const tokenOf = (n: number): Token => makeToken<Token>(bytes(n))
export const nonceOf = (n: number): Nonce => makeToken<Nonce>(bytes(n))
export const instanceOf = (n: number): InstanceId => makeToken<InstanceId>(bytes(n))

/** Any digest: one for each n. */
export const digestNumber = (n: number): Digest => digestOf(idOf(200 + n), calledList(instanceOf(1), tokenOf(1), 1))

export const payloadOf = (value: unknown): Payload => encodePayload(value, 'a value')

/** A list with a called branch of `me`, and behind it one of somebody else. */
export function calledList(instance: InstanceId, token: Token, calls: number): BranchList {
  const others = {
    kind: 'called',
    participant: companion,
    instance: instanceOf(90),
    token: tokenOf(90),
    calls: 1,
  } as const
  return sealList([{ kind: 'called', participant: me, instance, token, calls }, others])
}

/** A list with a one-shot branch of `me`, and behind it one of somebody else. */
export function oneShotList(operations: readonly Operation[]): BranchList {
  return sealList([
    { kind: 'oneShot', participant: me, operations: operationsHash(operations) },
    { kind: 'oneShot', participant: companion, operations: operationsHash([]) },
  ])
}

/** A lone list: with one called branch, of `me`. */
export function loneList(instance: InstanceId, token: Token, calls: number): BranchList {
  return sealList([{ kind: 'called', participant: me, instance, token, calls }])
}

/** A lone list: with one one-shot branch, of `me`. */
export function loneOneShotList(operations: readonly Operation[]): BranchList {
  return sealList([{ kind: 'oneShot', participant: me, operations: operationsHash(operations) }])
}
