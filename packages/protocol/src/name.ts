import { isBase32, toBase32 } from './base32.ts'
import { ProtocolError } from './errors.ts'
import { maxGroupNameLength, maxOwnerNameLength, maxParticipantNameLength } from './limits.ts'

/** A service that owns one durable resource. `[a-z0-9-]`, at most 30 characters. */
export type ParticipantName = string & { readonly __brand: 'ParticipantName' }
/** Whoever begins transactions: a service's name. `[a-z0-9-]`, at most 24 characters. */
export type OwnerName = string & { readonly __brand: 'OwnerName' }
/** A coordinator group's name. `[a-z0-9-]`, at most 14 characters. */
export type GroupName = string & { readonly __brand: 'GroupName' }
/** One life of a coordinator group, made once by `verdict group init`: 64 random bits in base32. */
export type Incarnation = string & { readonly __brand: 'Incarnation' }
/** A group and its life: `<name>_<incarnation>`, one subject token. */
export type GroupId = string & { readonly __brand: 'GroupId' }
/** One process of a participant: 96 random bits in base32, made at its start. */
export type InstanceId = string & { readonly __brand: 'InstanceId' }
/** One running client or tool: the token of its own answers. 96 random bits in base32. */
export type InboxToken = string & { readonly __brand: 'InboxToken' }
/** One opening of a branch (rule R5): 96 random bits in base32. */
export type Token = string & { readonly __brand: 'Token' }
/** One running client, on the first call of a branch (rule R5): 96 random bits in base32. */
export type Nonce = string & { readonly __brand: 'Nonce' }

const tokenBits = 96
export const incarnationBits = 64

const namePattern = /^[a-z0-9-]+$/

function parseName(kind: string, text: string, maxLength: number): string {
  if (text.length > 0 && text.length <= maxLength && namePattern.test(text)) return text
  throw new ProtocolError(
    'bad-name',
    `${JSON.stringify(text)} cannot be the name of ${kind}: a name has 1 to ${maxLength} characters from a-z, 0-9 and "-". Choose another name.`,
  )
}

/** @throws ProtocolError `bad-name` */
export function participantName(text: string): ParticipantName {
  return parseName('a participant', text, maxParticipantNameLength) as ParticipantName
}

/** @throws ProtocolError `bad-name` */
export function ownerName(text: string): OwnerName {
  return parseName('an owner', text, maxOwnerNameLength) as OwnerName
}

/** @throws ProtocolError `bad-name` */
export function groupName(text: string): GroupName {
  return parseName('a coordinator group', text, maxGroupNameLength) as GroupName
}

/** Makes a fresh incarnation from random bytes (8 of them). */
export function makeIncarnation(bytes: Uint8Array): Incarnation {
  return toBase32(bytes.subarray(0, incarnationBits / 8)) as Incarnation
}

/** Makes an instance id, inbox token, branch token or nonce from random bytes (12 of them). */
export function makeToken<T extends InstanceId | InboxToken | Token | Nonce>(bytes: Uint8Array): T {
  return toBase32(bytes.subarray(0, tokenBits / 8)) as T
}

export function isToken(text: string): boolean {
  return isBase32(text, tokenBits)
}

export function groupId(name: GroupName, incarnation: Incarnation): GroupId {
  return `${name}_${incarnation}` as GroupId
}

/** @throws ProtocolError `bad-name` */
export function parseGroupId(text: string): { readonly name: GroupName; readonly incarnation: Incarnation } {
  const [name, incarnation, ...rest] = text.split('_')
  if (name === undefined || incarnation === undefined || rest.length > 0 || !isBase32(incarnation, incarnationBits)) {
    throw new ProtocolError(
      'bad-name',
      `${JSON.stringify(text)} is not a group with its incarnation: expected <name>_<13 characters>.`,
    )
  }
  return { name: groupName(name), incarnation: incarnation as Incarnation }
}

/** @throws ProtocolError `bad-name` */
export function groupIdOf(text: string): GroupId {
  parseGroupId(text)
  return text as GroupId
}
