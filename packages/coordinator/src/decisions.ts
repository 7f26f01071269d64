import {
  type Decision,
  type DecisionRecord,
  type Epoch,
  type HazardKind,
  isLone,
  type ParticipantName,
  parseId,
  type TransactionId,
} from '@verdict/protocol'
import type { LogIndex, StateMachine, StateSpace } from '@verdict/raft'
import { Packr } from 'msgpackr'
import { type Command, decodeCommand } from './command.ts'
import { checkForm, checkFormat, newestFormat, raiseFormat } from './format.ts'

/** What applying a command tells whoever proposed it. */
export type Applied =
  /** The record that stands for the id: the proposed decision, or an earlier one. */
  | { readonly kind: 'recorded'; readonly record: DecisionRecord }
  /** Nothing is recorded for the id, and its epoch lies behind the horizon. */
  | { readonly kind: 'expired' }
  /** The decision breaks a rule; nothing was recorded. */
  | { readonly kind: 'malformed'; readonly found: string }
  | { readonly kind: 'done' }

/** Reading side of the state, for leaders and for every replica's status. */
export type ReadableSpace = Pick<StateSpace, 'get' | 'list'>

interface StoredRecord extends DecisionRecord {
  /** Index of the entry that recorded it: orders the unsettled ones by age. */
  readonly index: LogIndex
}

const packr = new Packr({ useRecords: false })
const firstEpoch = 1

const keys = {
  epoch: 'group/epoch',
  horizon: 'group/horizon',
  record: (id: TransactionId): string => `record/${id}`,
  unsettled: (index: LogIndex): string => `unsettled/${String(index).padStart(16, '0')}`,
  hazardous: (id: TransactionId): string => `hazardous/${id}`,
}

/**
 * The replicated decisions of a group (rules R1, R10, R16): for each id the first `decide` that was applied, and what became of
 * it. Nothing is told to anybody but what `apply` returned or what stands here.
 */
export const decisions: StateMachine<Applied> = {
  check(space): void {
    checkFormat(space, newestFormat)
  },
  apply(space: StateSpace, index: LogIndex, command: Uint8Array): Applied {
    return applyCommand(space, index, decodeCommand(command))
  },
}

function applyCommand(space: StateSpace, index: LogIndex, command: Command): Applied {
  switch (command.kind) {
    case 'decide':
      return decide(space, index, command.decision)
    case 'settled':
      for (const id of command.ids) settle(space, id)
      return { kind: 'done' }
    case 'advance':
      space.put(keys.epoch, packr.pack(epochOf(space) + 1))
      return { kind: 'done' }
    case 'hazard':
      return recordHazard(space, command)
    case 'upgrade':
      raiseFormat(space, command.to, newestFormat)
      return { kind: 'done' }
  }
}

// The order of these checks is rule R1: a record that is there always stands.
function decide(space: StateSpace, index: LogIndex, decision: Decision): Applied {
  const standing = read(space, decision.id)
  if (standing !== undefined) return { kind: 'recorded', record: standing }
  const { epoch } = parseId(decision.id)
  if (epoch <= horizonOf(space)) return { kind: 'expired' }
  if (epoch > epochOf(space))
    return { kind: 'malformed', found: `epoch ${epoch} lies beyond the group's ${epochOf(space)}` }
  const found = faultOf(decision)
  if (found !== undefined) return { kind: 'malformed', found }
  const settled = decision.branches.every((branch) => !isTold(decision, branch.vote))
  const record: StoredRecord = { ...decision, settled, hazards: [], index }
  space.put(keys.record(decision.id), packr.pack(record))
  if (!settled) space.put(keys.unsettled(index), packr.pack(decision.id))
  return { kind: 'recorded', record }
}

function faultOf({ id, outcome, branches, actor }: Decision): string | undefined {
  if (branches.length === 0) return 'it names no branch'
  // A record of a holder whose list was lost names that one alone; it aborts, so that no participant has it as a lone one's.
  const isRecovered = outcome === 'aborted' && actor.kind === 'holder'
  if (isLone(id, branches) && !isRecovered) return 'it names one branch, whose participant decides it by itself'
  if (outcome === 'aborted') return undefined
  const bad = branches.find(({ vote, token }) => (vote !== 'prepared' && vote !== 'read-only') || token === undefined)
  return bad === undefined ? undefined : `it commits although ${bad.participant} voted ${bad.vote}`
}

/** Whether a branch with this vote is told the outcome: those that ended by their own vote are not (rule R8). */
export function isTold({ outcome }: Pick<Decision, 'outcome'>, vote: Decision['branches'][number]['vote']): boolean {
  return vote === 'prepared' || (outcome === 'aborted' && vote === 'unknown')
}

function settle(space: StateSpace, id: TransactionId): void {
  const record = read(space, id)
  // A hazard that was recorded meanwhile keeps the record unsettled (rule R16).
  if (record === undefined || record.settled || record.hazards.length > 0) return
  space.put(keys.record(id), packr.pack({ ...record, settled: true } satisfies StoredRecord))
  space.delete(keys.unsettled(record.index))
}

function recordHazard(
  space: StateSpace,
  { id, participant, hazard, note }: Extract<Command, { kind: 'hazard' }>,
): Applied {
  const record = read(space, id)
  if (record === undefined) return { kind: 'done' }
  if (!countsHazard(record, participant, hazard)) return { kind: 'recorded', record }
  const marked: StoredRecord = {
    ...record,
    settled: false,
    hazards: [...record.hazards, { participant, kind: hazard, note }],
  }
  space.put(keys.record(id), packr.pack(marked))
  space.put(keys.unsettled(record.index), packr.pack(id))
  space.put(keys.hazardous(id), packr.pack(true))
  return { kind: 'recorded', record: marked }
}

/**
 * Whether a report changes the record (rule R8): it speaks of a listed branch, is new, and counts against this outcome. Otherwise
 * it is a late duplicate that met rows which were deleted long ago.
 */
export function countsHazard(record: DecisionRecord, participant: ParticipantName, hazard: HazardKind): boolean {
  if (!record.branches.some((branch) => branch.participant === participant)) return false
  if (record.hazards.some((known) => known.participant === participant && known.kind === hazard)) return false
  return record.outcome === 'committed' ? !record.settled : hazard === 'aborted-met-committed'
}

function read(space: ReadableSpace, id: TransactionId): StoredRecord | undefined {
  const bytes = space.get(keys.record(id))
  return bytes === undefined ? undefined : checkForm(packr.unpack(bytes) as StoredRecord, id)
}

function counter(space: ReadableSpace, key: string, initial: number): Epoch {
  const bytes = space.get(key)
  return (bytes === undefined ? initial : packr.unpack(bytes)) as Epoch
}

/** The record that stands for an id, where there is one. */
export function recordOf(space: ReadableSpace, id: TransactionId): DecisionRecord | undefined {
  return read(space, id)
}

/** The group's epoch. The first one is 1, so that no id lies at or behind the first horizon, 0. */
export function epochOf(space: ReadableSpace): Epoch {
  return counter(space, keys.epoch, firstEpoch)
}

/** Everything of an epoch at or behind the horizon may have been forgotten. It stays at 0 as long as nothing is. */
export function horizonOf(space: ReadableSpace): Epoch {
  return counter(space, keys.horizon, 0)
}

/** Records that some branch has not acknowledged yet, oldest first, from behind the position `after`. */
export function unsettled(
  space: ReadableSpace,
  limit: number,
  after?: string,
): { readonly records: readonly DecisionRecord[]; readonly last: string | undefined } {
  const entries = space.list('unsettled/', limit, after)
  const records = entries.map(([, value]) => {
    const id = packr.unpack(value) as TransactionId
    const record = read(space, id)
    if (record === undefined) throw new Error(`Broken invariant: unsettled transaction ${id} has no record.`)
    return record
  })
  return { records, last: entries.at(-1)?.[0] }
}

/** How many records some branch has not acknowledged yet, counted up to `limit`. */
export function unsettledCount(space: ReadableSpace, limit: number): number {
  return space.list('unsettled/', limit).length
}

/** How many transactions have a hazard, counted up to `limit`. */
export function hazardousCount(space: ReadableSpace, limit: number): number {
  return space.list('hazardous/', limit).length
}
