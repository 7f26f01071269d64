import { type DecisionRecord, type Digest, type Epoch, isOpen, parseId, type TransactionId } from '@verdict/protocol'
import type { LogIndex, StateSpace } from '@verdict/raft'
import { Packr } from 'msgpackr'
import { checkForm } from './format.ts'

/** Reading side of the state, for leaders and for every replica's status. */
export type ReadableSpace = Pick<StateSpace, 'get' | 'list'>

/** A record as the space has it. */
export interface StoredRecord extends DecisionRecord {
  /** Index of the entry that recorded it: orders the unsettled ones by age. */
  readonly index: LogIndex
}

const packr = new Packr({ useRecords: false })
/** Digits of the largest epoch and of the largest index: keys are compared as texts. */
const [epochDigits, indexDigits] = [10, 16]

const unsettledPrefix = 'unsettled/'
const hazardousPrefix = 'hazardous/'
const forgettablePrefix = 'forgettable/'

function recordKey(id: TransactionId): string {
  return `record/${id}`
}

/** Prefix of the places of one epoch. */
export function byEpoch(prefix: string, epoch: number): string {
  return `${prefix}${String(epoch).padStart(epochDigits, '0')}/`
}

/** Places under a prefix at or behind an epoch, those of the oldest epochs first. */
export function upToEpoch(
  space: ReadableSpace,
  prefix: string,
  upTo: Epoch,
  limit: number,
): readonly (readonly [place: string, value: Uint8Array])[] {
  const end = byEpoch(prefix, upTo + 1)
  return space.list(prefix, limit).filter(([place]) => place < end)
}

function positionOf(index: LogIndex): string {
  return String(index).padStart(indexDigits, '0')
}

function unsettledPlace(index: LogIndex): string {
  return `${unsettledPrefix}${positionOf(index)}`
}

/** The places where a record is found besides its id, by what it still needs. */
function placesOf(record: StoredRecord): readonly string[] {
  const { id, index, settled, hazards } = record
  const position = positionOf(index)
  return [
    ...(settled ? [] : [unsettledPlace(index)]),
    ...(hazards.some(isOpen) ? [`${hazardousPrefix}${id}`] : []),
    ...(isForgettable(record) ? [`${byEpoch(forgettablePrefix, parseId(id).epoch)}${position}`] : []),
  ]
}

/**
 * Whether a record goes once the horizon has passed its epoch (rule R11): nobody depends on it any more. A holder of a branch that
 * was aborted may as well be told that it expired; one of a committed branch may not, and a branch that
 * nobody has seen end may still have one, whatever an operator said of it.
 */
function isForgettable({ outcome, settled, hazards }: StoredRecord): boolean {
  if (hazards.some(isOpen)) return false
  return outcome === 'aborted' || (settled && !hazards.some(({ kind }) => kind === 'never-acknowledged'))
}

/** Stores a record; `before` is the one that it takes the place of. */
export function putRecord(space: StateSpace, record: StoredRecord, before?: StoredRecord): void {
  const places = placesOf(record)
  const earlier = before === undefined ? [] : placesOf(before)
  space.put(recordKey(record.id), packr.pack(record))
  for (const place of earlier) if (!places.includes(place)) space.delete(place)
  for (const place of places) if (!earlier.includes(place)) space.put(place, packr.pack(record.id))
}

/** Forgets a record, wherever it is found. */
export function dropRecord(space: StateSpace, record: StoredRecord): void {
  space.delete(recordKey(record.id))
  for (const place of placesOf(record)) space.delete(place)
}

export function readRecord(space: ReadableSpace, id: TransactionId): StoredRecord | undefined {
  const bytes = space.get(recordKey(id))
  return bytes === undefined ? undefined : checkForm(packr.unpack(bytes) as StoredRecord, id)
}

/** The record that stands for an id, where there is one. */
export function recordOf(space: ReadableSpace, id: TransactionId): StoredRecord | undefined {
  return readRecord(space, id)
}

/** Whether a record speaks of this list. An abort that names no branch, an operator's, is one of every list. */
export function speaksOf({ digest, branches }: DecisionRecord, list: Digest): boolean {
  return digest === list || branches.length === 0
}

function readPlace(space: ReadableSpace, place: string, value: Uint8Array): StoredRecord {
  const id = packr.unpack(value) as TransactionId
  const record = readRecord(space, id)
  if (record === undefined) throw new Error(`Broken invariant: ${place} names ${id}, which has no record.`)
  return record
}

/** Records that some branch has not acknowledged yet, oldest first, from behind the position `after`. */
export function unsettled(
  space: ReadableSpace,
  limit: number,
  after?: string,
): { readonly records: readonly StoredRecord[]; readonly last: string | undefined } {
  const entries = space.list(unsettledPrefix, limit, after)
  return { records: entries.map(([place, value]) => readPlace(space, place, value)), last: entries.at(-1)?.[0] }
}

/** The record of this entry, if some branch has not acknowledged it yet. */
export function unsettledAt(space: ReadableSpace, index: LogIndex): StoredRecord | undefined {
  const place = unsettledPlace(index)
  const id = space.get(place)
  return id === undefined ? undefined : readPlace(space, place, id)
}

/** How many records some branch has not acknowledged yet, counted up to `limit`. */
export function unsettledCount(space: ReadableSpace, limit: number): number {
  return space.list(unsettledPrefix, limit).length
}

/** Records with a hazard that nobody has dealt with, at most `limit` of them. */
export function hazardous(space: ReadableSpace, limit: number): readonly DecisionRecord[] {
  return space.list(hazardousPrefix, limit).map(([place]) => {
    const record = readRecord(space, place.slice(hazardousPrefix.length) as TransactionId)
    if (record === undefined) throw new Error(`Broken invariant: ${place} has no record.`)
    return record
  })
}

/** How many transactions have a hazard that nobody has dealt with, counted up to `limit`. */
export function hazardousCount(space: ReadableSpace, limit: number): number {
  return space.list(hazardousPrefix, limit).length
}

/** Records at or behind an epoch that may be forgotten, those of the oldest epochs first. */
export function forgettable(space: ReadableSpace, upTo: Epoch, limit: number): readonly StoredRecord[] {
  return upToEpoch(space, forgettablePrefix, upTo, limit).map(([place, value]) => readPlace(space, place, value))
}
