import {
  type Alone,
  type Announce,
  branchOf,
  type Call,
  decodePacket,
  type GroupId,
  groupOf,
  type InquiryAnswer,
  type InstanceId,
  isInboxOf,
  type ListedBranch,
  type Namespace,
  type OutcomeMessage,
  type OwnerName,
  operationsHash,
  type Packet,
  type ParticipantName,
  type Prepare,
  parseId,
  type Release,
  readControllingGroup,
  readOwner,
  type SweepAnswer,
  type TransactionId,
  WireError,
} from '@verdict/protocol'
import type { BusMessage } from '@verdict/runtime'
import type { Asker } from './branch-state.ts'

/** Whose mail it is. */
export interface Addressee {
  readonly namespace: Namespace
  readonly participant: ParticipantName
  readonly instance: InstanceId
}

/** A message that its sender may send, and that makes sense where it arrived. */
export type Inbound =
  | { readonly kind: 'call'; readonly message: Call; readonly asker: Asker }
  | { readonly kind: 'release'; readonly message: Release }
  | {
      readonly kind: 'alone'
      readonly message: Alone
      readonly listed: ListedBranch
      readonly named: boolean
      readonly asker: Asker
    }
  | {
      readonly kind: 'prepare'
      readonly group: GroupId
      readonly message: Prepare
      readonly listed: ListedBranch
      readonly named: boolean
    }
  | { readonly kind: 'outcome'; readonly group: GroupId; readonly message: OutcomeMessage }
  | { readonly kind: 'inquiry-answer'; readonly group: GroupId; readonly message: InquiryAnswer }
  | { readonly kind: 'sweep-answer'; readonly group: GroupId; readonly message: SweepAnswer }
  | { readonly kind: 'announce'; readonly group: GroupId; readonly message: Announce }
  | Rejected

/** A message that nobody may send, or that cannot be read; `asker` is told where an answer is due. */
export interface Rejected {
  readonly kind: 'rejected'
  readonly code: string
  readonly why: string
  readonly asker?: Asker
}

/** Reads a client's message: a first call of any instance's, or what is meant for this one (rule R15). */
export function readClient(to: Addressee, arrived: BusMessage, place: 'any' | 'own'): Inbound {
  const owner = readOwner(arrived.subject)
  if (owner === undefined) return rejected('malformed-message', 'its subject ends in no name of an owner')
  const packet = read(arrived)
  if ('kind' in packet) return withAsker(packet, askerOf(to, arrived, owner, packet.request))
  const { message, request } = packet
  const asker = askerOf(to, arrived, owner, request)
  const refuse = (why: string): Inbound => withAsker(rejected('malformed-message', why), asker)
  if (message.type !== 'call' && message.type !== 'release' && message.type !== 'alone')
    return refuse(`a client does not send ${message.type} here`)
  if (parseId(message.id).owner !== owner) return refuse("the transaction is not the sender's own")
  if (message.type === 'release') return { kind: 'release', message }
  if (message.type === 'alone') return readAlone(to, message, asker)
  if ((message.n === 1) !== (place === 'any')) {
    return refuse(
      'the first call goes to any instance of a participant, each later one to the instance that answered it',
    )
  }
  return asker === undefined ? noInbox : { kind: 'call', message, asker }
}

/** What is asked of one branch has to be one of ours; who may ask it, and that it is lone, is known by now. */
function readAlone({ participant, instance }: Addressee, message: Alone, asker: Asker | undefined): Inbound {
  if (asker === undefined) return noInbox
  const listed = branchOf(message.list, participant)
  if (listed === undefined) return withAsker(notListed(participant), asker)
  return { kind: 'alone', message, listed, asker, named: listed.kind === 'called' && listed.instance === instance }
}

/** Reads what a group says about its own transactions; no group is believed about another's (rule R15). */
export function readGroup(to: Addressee, arrived: BusMessage): Inbound {
  const group = readControllingGroup(arrived.subject)
  if (group === undefined) return rejected('malformed-message', 'its subject names no group')
  const packet = read(arrived)
  if ('kind' in packet) return packet
  const { message } = packet
  switch (message.type) {
    case 'prepare':
      return groupOf(message.id) === group ? readPrepare(to, group, message) : foreign
    case 'outcome':
      return groupOf(message.id) === group ? { kind: 'outcome', group, message } : foreign
    case 'inquiryAnswer':
      return speaksForItself(group, message) ? { kind: 'inquiry-answer', group, message } : foreign
    case 'sweepAnswer':
      return speaksForItself(group, message) ? { kind: 'sweep-answer', group, message } : foreign
    case 'announce':
      return { kind: 'announce', group, message }
    default:
      return rejected('malformed-message', `a group does not send ${message.type}`)
  }
}

const foreign = rejected('malformed-message', 'a group speaks of a transaction that is not its own')

function speaksForItself(group: GroupId, { answers }: InquiryAnswer | SweepAnswer): boolean {
  return answers.every(({ id }: { readonly id: TransactionId }) => groupOf(id) === group)
}

function readPrepare({ participant, instance }: Addressee, group: GroupId, message: Prepare): Inbound {
  const listed = branchOf(message.list, participant)
  if (listed === undefined) return notListed(participant)
  if (message.operations !== undefined) {
    if (listed.kind !== 'oneShot' || operationsHash(message.operations) !== listed.operations) {
      return rejected('malformed-message', 'its operations are not those that the list binds')
    }
  }
  return { kind: 'prepare', group, message, listed, named: listed.kind === 'called' && listed.instance === instance }
}

function read({ payload }: BusMessage): Packet | (Rejected & { readonly request?: number }) {
  try {
    return decodePacket(payload)
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const { request } = error
    return { ...rejected(error.code, error.message), ...(request === undefined ? {} : { request }) }
  }
}

function askerOf(
  { namespace }: Addressee,
  { replyTo }: BusMessage,
  owner: OwnerName,
  request?: number,
): Asker | undefined {
  if (replyTo === undefined || request === undefined || request === 0) return undefined
  return isInboxOf(replyTo, namespace, owner) ? { inbox: replyTo, request } : undefined
}

function withAsker({ kind, code, why }: Rejected, asker: Asker | undefined): Rejected {
  return asker === undefined ? { kind, code, why } : { kind, code, why, asker }
}

// Without an inbox of its own the sender could make us speak into another's.
const noInbox = rejected('malformed-message', "its reply subject is no inbox of the sender's own")

function notListed(participant: ParticipantName): Rejected {
  return rejected('malformed-message', `${participant} is not in the list of the transaction`)
}

function rejected(code: string, why: string): Rejected {
  return { kind: 'rejected', code, why }
}
