import { StoreError } from './errors.ts'
import type { LogIndex, ReplicaId, Term } from './message.ts'
import type { StoredState, StoreIdentity } from './store.ts'

/** Version of everything in a store. A store of a later one is not touched. */
const version = 1

export function encodeIdentity({ group, replica, members }: StoreIdentity): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version, group, replica, members }))
}

/**
 * Holds what a store says about itself against who wants to open it.
 * @throws StoreError when it is not the same.
 */
export function checkIdentity(found: Uint8Array | undefined, expected: StoreIdentity, place: string): void {
  const { group, replica, members } = expected
  if (found === undefined) throw uninitialised(expected, place)
  const identity = parse(found, place)
  if (identity['version'] !== version) {
    throw new StoreError(
      'future-version',
      `${place} holds a store of version ${String(identity['version'])}, this program reads version ${version}. ` +
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

export function encodeStoredState({ hardState, appliedIndex }: StoredState): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ ...hardState, appliedIndex }))
}

export function decodeStoredState(bytes: Uint8Array, place: string): StoredState {
  const { term, votedFor, appliedIndex } = parse(bytes, place)
  const isRight =
    Number.isSafeInteger(term) &&
    Number.isSafeInteger(appliedIndex) &&
    (votedFor === undefined || typeof votedFor === 'string')
  if (!isRight) throw damaged(place, 'term and vote')
  return {
    hardState: { term: term as Term, votedFor: votedFor as ReplicaId | undefined },
    appliedIndex: appliedIndex as LogIndex,
  }
}

/** What is on disk is not what was written. */
export function damaged(place: string, what: string, cause?: unknown): StoreError {
  return new StoreError(
    'damaged',
    `${place} is damaged: ${what} cannot be read as it was written. The disk is not to be trusted: leave this ` +
      'replica out, the group goes on while a majority is up.',
    { cause },
  )
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

function describe(identity: Readonly<Record<string, unknown>> | StoreIdentity): string {
  const { group, replica, members } = identity as Readonly<Record<string, unknown>>
  return `replica ${String(replica)} of group ${String(group)} with the members ${String(members)}`
}
