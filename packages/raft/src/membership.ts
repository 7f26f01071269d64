import { ByteReader, ByteWriter } from './bytes.ts'
import { ConfigurationError, MalformedMessageError } from './errors.ts'
import type { LogIndex, ReplicaId } from './message.ts'

/** Who belongs to a group. Each list is sorted and names nobody twice; nobody is in both. */
export interface Membership {
  /** They vote, and a majority of their disks commits. */
  readonly voters: readonly ReplicaId[]
  /** They receive the log and count nowhere: they catch up before they become voters (dissertation, section 4.2.1). */
  readonly learners: readonly ReplicaId[]
}

/** A membership, and the entry of the log that brought it. */
export interface PlacedMembership extends Membership {
  /** 0 for the one that the group began with, or that nobody has told yet. */
  readonly index: LogIndex
}

/** Most replicas of a group, learners among them: a leader sends everything to each of them. */
export const maxReplicas = 16
/** Longest id of a replica. */
export const maxReplicaIdBytes = 64
/** What a token of a subject may be made of, as far as it is the same on every bus and in every order. */
const replicaIdPattern = /^[\x21-\x7e]+$/
const notForTokens = /[.*>]/

/**
 * What a new replica's store begins with. A group begins with an odd number of voters: one more would cost a replica and survive no
 * loss more. A replica that joins a group that exists knows nobody (`members` is empty); it follows whoever brings it the log.
 * @throws ConfigurationError when the group cannot be made so, before anything is written.
 */
export function foundingMembership(members: readonly ReplicaId[], replica: ReplicaId): PlacedMembership {
  checkIds([replica, ...members])
  const voters = members.toSorted()
  if (members.length > 0 && !members.includes(replica)) {
    throw new ConfigurationError(
      `${replica} is none of the group's members ${members.join(', ')}. Name one of them, or no members for a replica that joins later.`,
    )
  }
  const twice = voters.find((id, place) => voters[place - 1] === id)
  if (twice !== undefined) {
    throw new ConfigurationError(
      `The group names the replica ${twice} twice: ${members.join(', ')}. Give each its own id.`,
    )
  }
  if (members.length > 0 && members.length % 2 === 0) {
    throw new ConfigurationError(
      `A group begins with an odd number of replicas, not ${members.length} (${members.join(', ')}): an even one costs a replica ` +
        'more and survives no loss more. Add one or leave one out.',
    )
  }
  if (members.length > maxReplicas) {
    throw new ConfigurationError(`A group has at most ${maxReplicas} replicas, not ${members.length}. Leave some out.`)
  }
  return { index: 0 as LogIndex, voters, learners: [] }
}

/** @throws ConfigurationError when one of them cannot be a replica's: nobody could send it anything, or read a membership with it. */
export function checkIds(ids: readonly ReplicaId[]): void {
  const bad = ids.find((id) => !isReplicaId(id))
  if (bad === undefined) return
  throw new ConfigurationError(
    `${JSON.stringify(bad)} cannot be the id of a replica: expected 1 to ${maxReplicaIdBytes} printable ASCII characters without ` +
      'spaces, ".", "*" and ">", as a token of a subject. Choose another.',
  )
}

function isReplicaId(id: string): boolean {
  return id.length <= maxReplicaIdBytes && replicaIdPattern.test(id) && !notForTokens.test(id)
}

export function isVoter({ voters }: Membership, id: ReplicaId): boolean {
  return voters.includes(id)
}

export function isMember({ voters, learners }: Membership, id: ReplicaId): boolean {
  return voters.includes(id) || learners.includes(id)
}

/** The command of an entry of kind `members`: the whole membership that counts from there on. */
export function encodeMembership({ voters, learners }: Membership): Uint8Array {
  const writer = new ByteWriter(64)
  for (const ids of [voters, learners]) {
    writer.number(ids.length)
    for (const id of ids) writer.bytes(new TextEncoder().encode(id))
  }
  return writer.written()
}

/** @throws MalformedMessageError when it is none. */
export function decodeMembership(command: Uint8Array): Membership {
  const reader = new ByteReader(command)
  const voters = readIds(reader)
  const learners = readIds(reader)
  reader.end()
  if (voters.length === 0) throw new MalformedMessageError('a membership without voters')
  if (learners.some((id) => voters.includes(id))) throw new MalformedMessageError('a learner that votes')
  return { voters, learners }
}

function readIds(reader: ByteReader): readonly ReplicaId[] {
  const count = reader.number()
  if (count > maxReplicas) throw new MalformedMessageError(`a membership of ${count} replicas`)
  const ids: ReplicaId[] = []
  for (let place = 0; place < count; place++) {
    const id = new TextDecoder().decode(reader.bytes()) as ReplicaId
    if (!isReplicaId(id)) throw new MalformedMessageError('a membership with what is no id')
    if (id <= (ids.at(-1) ?? '')) throw new MalformedMessageError('a membership out of order')
    ids.push(id)
  }
  return ids
}

/** One step from a membership to the next. */
export interface MembershipChange {
  readonly kind: 'addLearner' | 'promote' | 'remove'
  readonly replica: ReplicaId
}

/** Why a membership cannot be changed so. */
export type Unchangeable = 'alreadyMember' | 'alreadyVoter' | 'notLearner' | 'notMember' | 'lastVoter' | 'tooMany'

/**
 * The membership after a change. One voter more or less: any majority before shares a replica with any majority after, so that no
 * two leaders can be elected, or entries committed, side by side (dissertation, section 4.1, figure 4.3).
 */
export function changed(
  { voters, learners }: Membership,
  { kind, replica }: MembershipChange,
): Membership | Unchangeable {
  const others = { voters: without(voters, replica), learners: without(learners, replica) }
  switch (kind) {
    case 'addLearner':
      if (isMember({ voters, learners }, replica)) return 'alreadyMember'
      if (voters.length + learners.length >= maxReplicas) return 'tooMany'
      return { voters, learners: [...learners, replica].toSorted() }
    case 'promote':
      if (voters.includes(replica)) return 'alreadyVoter'
      if (!learners.includes(replica)) return 'notLearner'
      return { voters: [...voters, replica].toSorted(), learners: others.learners }
    case 'remove':
      if (!isMember({ voters, learners }, replica)) return 'notMember'
      return others.voters.length === 0 ? 'lastVoter' : others
  }
}

function without(ids: readonly ReplicaId[], replica: ReplicaId): readonly ReplicaId[] {
  return ids.filter((id) => id !== replica)
}
