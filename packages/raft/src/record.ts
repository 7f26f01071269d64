import { StoreError } from './errors.ts'
import { foundingMembership, type PlacedMembership } from './membership.ts'
import type { LogIndex, ReplicaId, Term } from './message.ts'
import type { LogBase, StagedSnapshot, StoredState, StoreIdentity } from './store.ts'

/**
 * Version of everything in a store. A store of a later one is not touched. Version 1 had no base, no generations of the space, no
 * count of starts and no memberships: what it lacks has a value that means the same. Entries of versions 1 and 2 lie alone, each
 * under a key of its own.
 */
const version = 3
const oldestVersion = 1

/** Where the values of the space are. */
export interface StoredBase extends LogBase {
  /** The generation of the space that counts. */
  readonly generation: number
}

export interface StoredStaged extends StagedSnapshot {
  /** The generation of the space that its values go into. */
  readonly generation: number
}

export interface StoredRuns {
  readonly starts: number
  readonly peerStarts: ReadonlyMap<ReplicaId, number>
}

export function encodeIdentity({ group, replica, members }: StoreIdentity): Uint8Array {
  return encode({ version, group, replica, members })
}

/**
 * Holds what a store says about itself against who wants to open it.
 * @throws StoreError when it is not the same.
 */
export function checkIdentity(found: Uint8Array | undefined, expected: StoreIdentity, place: string): void {
  const { group, replica, members } = expected
  if (found === undefined) throw uninitialised(expected, place)
  const identity = parse(found, place)
  const foundVersion = identity['version']
  if (typeof foundVersion !== 'number' || foundVersion < oldestVersion || foundVersion > version) {
    throw new StoreError(
      'future-version',
      `${place} holds a store of version ${String(foundVersion)}, this program reads versions ${oldestVersion} to ${version}. ` +
        'Start the newer program.',
    )
  }
  const differs =
    identity['group'] !== group ||
    identity['replica'] !== replica ||
    JSON.stringify(identity['members']) !== JSON.stringify(members)
  if (!differs) return
  throw new StoreError(
    'foreign',
    `${place} holds the store of ${describe(identity)}; expected ${describe({ group, replica, members })}. ` +
      'Point to the right place, or correct the configuration.',
  )
}

/** Nothing says that a store was ever made here. */
export function uninitialised({ group, replica }: StoreIdentity, place: string): StoreError {
  return new StoreError(
    'uninitialised',
    `${place} holds no store; expected the one of replica ${replica} of group ${group}. Point to the right place, or ` +
      'make the group if it is new. A replica that lost its store stays out: it could vote twice under its id.',
  )
}

/** @throws StoreError because a store that is made must not take the place of another. */
export function refuseInitialised(found: Uint8Array | undefined, place: string): void {
  if (found === undefined) return
  throw new StoreError(
    'initialised',
    `${place} already holds the store of ${describe(parse(found, place))}. Choose an empty place.`,
  )
}

/** What a new store begins with. @throws ConfigurationError when the group cannot be made so. */
export function foundingState({ members, replica }: StoreIdentity): StoredState {
  return {
    hardState: { term: 0 as Term, votedFor: undefined },
    appliedIndex: 0 as LogIndex,
    membership: foundingMembership(members, replica),
  }
}

export function encodeStoredState({ hardState, appliedIndex, membership }: StoredState): Uint8Array {
  return encode({ ...hardState, appliedIndex, membership })
}

/** @param members the group's first ones: version 1 knew no others. */
export function decodeStoredState(bytes: Uint8Array, place: string, members: readonly ReplicaId[]): StoredState {
  const { term, votedFor, appliedIndex, membership } = parse(bytes, place)
  const isRight = isCount(term) && isCount(appliedIndex) && (votedFor === undefined || typeof votedFor === 'string')
  if (!isRight) throw damaged(place, 'term and vote')
  return {
    hardState: { term: term as Term, votedFor: votedFor as ReplicaId | undefined },
    appliedIndex: appliedIndex as LogIndex,
    membership: (membership as PlacedMembership | undefined) ?? {
      index: 0 as LogIndex,
      voters: members.toSorted(),
      learners: [],
    },
  }
}

export function encodeBase(base: StoredBase): Uint8Array {
  return encode(base)
}

export function decodeBase(bytes: Uint8Array | undefined, place: string): StoredBase {
  if (bytes === undefined) return { index: 0 as LogIndex, term: 0 as Term, generation: 0 }
  const { index, term, generation } = parse(bytes, place)
  if (!isCount(index) || !isCount(term) || !isCount(generation)) throw damaged(place, 'where its log begins')
  return { index: index as LogIndex, term: term as Term, generation }
}

export function encodeStaged(staged: StoredStaged): Uint8Array {
  return encode(staged)
}

export function decodeStaged(bytes: Uint8Array | undefined, place: string): StoredStaged | undefined {
  return bytes === undefined ? undefined : (parse(bytes, place) as unknown as StoredStaged)
}

export function encodeRuns({ starts, peerStarts }: StoredRuns): Uint8Array {
  return encode({ starts, peerStarts: [...peerStarts] })
}

export function decodeRuns(bytes: Uint8Array | undefined, place: string): StoredRuns {
  if (bytes === undefined) return { starts: 0, peerStarts: new Map() }
  const { starts, peerStarts } = parse(bytes, place)
  if (!isCount(starts) || !Array.isArray(peerStarts)) throw damaged(place, 'the count of its starts')
  return { starts, peerStarts: new Map(peerStarts as [ReplicaId, number][]) }
}

/** What is on disk is not what was written. */
export function damaged(place: string, what: string, cause?: unknown): StoreError {
  return new StoreError(
    'damaged',
    `${place} is damaged: ${what} cannot be read as it was written. The disk is not to be trusted: leave this replica out, the ` +
      'group goes on while a majority is up. It can come back empty, under a new id.',
    { cause },
  )
}

function encode(record: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record))
}

function parse(bytes: Uint8Array, place: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  } catch (cause) {
    throw damaged(place, 'a record', cause)
  }
  throw damaged(place, 'a record')
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function describe(identity: Readonly<Record<string, unknown>> | StoreIdentity): string {
  const { group, replica, members } = identity as Readonly<Record<string, unknown>>
  return `replica ${String(replica)} of group ${String(group)} with the members ${String(members)}`
}
