import type { Epoch, ParticipantName, Resolution, TransactionId } from '@verdict/protocol'
import type { StateSpace } from '@verdict/raft'
import { Packr } from 'msgpackr'
import { byEpoch, type ReadableSpace, upToEpoch } from './records.ts'

const packr = new Packr({ useRecords: false })
const releasedPrefix = 'released/'
const duePrefix = 'releases/'

function releaseKey(id: TransactionId, participant: ParticipantName): string {
  return `${releasedPrefix}${id}/${participant}`
}

/** Whether an operator has said that a branch of which the group has no outcome may be rolled back in any history (rule R13). */
export function isReleased(space: ReadableSpace, id: TransactionId, participant: ParticipantName): boolean {
  return space.get(releaseKey(id, participant)) !== undefined
}

/** Stores that a branch may be rolled back. It is kept as long as anything of the present epoch is: its holder has that long to ask. */
export function putRelease(
  space: StateSpace,
  id: TransactionId,
  participant: ParticipantName,
  resolution: Resolution,
  epoch: Epoch,
): void {
  const key = releaseKey(id, participant)
  if (space.get(key) !== undefined) return
  space.put(key, packr.pack(resolution))
  space.put(`${byEpoch(duePrefix, epoch)}${id}/${participant}`, packr.pack(key))
}

function due(space: ReadableSpace, upTo: Epoch, limit: number): readonly (readonly [string, Uint8Array])[] {
  return upToEpoch(space, duePrefix, upTo, limit)
}

/** Whether any release was given at or behind an epoch. */
export function hasReleases(space: ReadableSpace, upTo: Epoch): boolean {
  return due(space, upTo, 1).length > 0
}

/** Drops releases that were given at or behind an epoch, at most `limit` of them. */
export function dropReleases(space: StateSpace, upTo: Epoch, limit: number): void {
  for (const [place, key] of due(space, upTo, limit)) {
    space.delete(place)
    space.delete(packr.unpack(key) as string)
  }
}
