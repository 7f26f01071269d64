import { base32ToNumber, isBase32, numberToBase32, toBase32 } from './base32.ts'
import { ProtocolError } from './errors.ts'
import {
  type GroupId,
  type GroupName,
  groupId,
  groupName,
  type Incarnation,
  incarnationBits,
  type OwnerName,
  ownerName,
} from './name.ts'

/**
 * Names one transaction, for ever: `<group>_<incarnation>_<epoch>_<owner>_<mark><random>` with 96 random bits. Unguessable;
 * safe as a subject token and inside the name of a prepared transaction.
 */
export type TransactionId = string & { readonly __brand: 'TransactionId' }
/** A counter in the group's log that ids carry, by which a group forgets (rule R11). */
export type Epoch = number & { readonly __brand: 'Epoch' }

/** Who keeps the id: the caller, who may run it again (rule R17), or nobody but the SDK for this one run. */
export type IdMark = 'kept' | 'once'

export interface IdParts {
  readonly group: GroupName
  readonly incarnation: Incarnation
  readonly epoch: Epoch
  readonly owner: OwnerName
  readonly mark: IdMark
  /** 96 random bits in base32. */
  readonly random: string
}

export const epochBits = 32
const randomBits = 96
const markLetters: Record<IdMark, string> = { kept: 'k', once: 'o' }

/** Makes an id; `randomBytes` are 12 unguessable ones. */
export function makeId(parts: Omit<IdParts, 'random'>, randomBytes: Uint8Array): TransactionId {
  const random = toBase32(randomBytes.subarray(0, randomBits / 8))
  const { group, incarnation, epoch, owner, mark } = parts
  return `${group}_${incarnation}_${numberToBase32(epoch, epochBits)}_${owner}_${markLetters[mark]}${random}` as TransactionId
}

/** @throws ProtocolError `bad-id` when the text is not a transaction id. */
export function parseId(text: string): IdParts {
  const [group, incarnation, epoch, owner, tail, ...rest] = text.split('_')
  const bad = (found: string): ProtocolError =>
    new ProtocolError(
      'bad-id',
      `${JSON.stringify(text.slice(0, 200))} is not a transaction id: ${found}. Expected an id made by newId(), kept unchanged.`,
    )
  if (!group || !incarnation || !epoch || !owner || !tail || rest.length > 0) throw bad('it does not have five parts')
  if (!isBase32(incarnation, incarnationBits)) throw bad('its second part is no incarnation')
  if (!isBase32(epoch, epochBits)) throw bad('its third part is no epoch')
  const mark = tail[0] === markLetters.kept ? 'kept' : tail[0] === markLetters.once ? 'once' : undefined
  if (mark === undefined || !isBase32(tail.slice(1), randomBits)) throw bad('its last part is no marked random')
  return {
    group: groupName(group),
    incarnation: incarnation as Incarnation,
    epoch: base32ToNumber(epoch) as Epoch,
    owner: ownerName(owner),
    mark,
    random: tail.slice(1),
  }
}

/** @throws ProtocolError `bad-id` or `bad-name` */
export function transactionId(text: string): TransactionId {
  parseId(text)
  return text as TransactionId
}

/** The group, with its incarnation, that decides the transaction. */
export function groupOf(id: TransactionId): GroupId {
  const { group, incarnation } = parseId(id)
  return groupId(group, incarnation)
}
