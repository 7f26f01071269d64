import type { Epoch, TransactionId } from '@verdict/protocol'
import type { StateSpace } from '@verdict/raft'
import { Packr } from 'msgpackr'
import { dropRecord, forgettable, type ReadableSpace } from './records.ts'
import { dropReleases, hasReleases } from './releases.ts'

/**
 * Records that one entry forgets at most: applying it stays a matter of milliseconds. Part of what the log means, as all replicas
 * must forget the same ones: another number needs another version of the commands.
 */
export const maxForgottenPerEntry = 512

const packr = new Packr({ useRecords: false })
const keys = { epoch: 'group/epoch', horizon: 'group/horizon' }
const firstEpoch = 1

/** The group's epoch. The first one is 1, so that no id lies at or behind the first horizon, 0. */
export function epochOf(space: ReadableSpace): Epoch {
  return counter(space, keys.epoch, firstEpoch)
}

/** Everything of an epoch at or behind the horizon may have been forgotten (rule R11). */
export function horizonOf(space: ReadableSpace): Epoch {
  return counter(space, keys.horizon, 0)
}

function counter(space: ReadableSpace, key: string, initial: number): Epoch {
  const bytes = space.get(key)
  return (bytes === undefined ? initial : packr.unpack(bytes)) as Epoch
}

/**
 * Moves the epoch by one, and the horizon along behind it, so that this many epochs are kept. Leaders that differ in that number
 * cannot make the horizon go back.
 */
export function advance(space: StateSpace, keptEpochs: number): void {
  const epoch = epochOf(space) + 1
  space.put(keys.epoch, packr.pack(epoch))
  // An entry of an older log says no number: then there is nothing that would be larger, and the horizon stays.
  const horizon = epoch - keptEpochs
  if (horizon > horizonOf(space)) space.put(keys.horizon, packr.pack(horizon))
}

/** Drops what may go behind the horizon, a bounded number of records and of releases, and returns the ids of the records. */
export function forget(space: StateSpace): readonly TransactionId[] {
  const horizon = horizonOf(space)
  const due = forgettable(space, horizon, maxForgottenPerEntry)
  for (const record of due) dropRecord(space, record)
  dropReleases(space, horizon, maxForgottenPerEntry)
  return due.map(({ id }) => id)
}

/** Whether anything is left behind the horizon that may go. */
export function isMoreToForget(space: ReadableSpace): boolean {
  const horizon = horizonOf(space)
  return forgettable(space, horizon, 1).length > 0 || hasReleases(space, horizon)
}
