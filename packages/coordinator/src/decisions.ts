import {
  type Decision,
  type DecisionRecord,
  isLone,
  isOpen,
  type ParticipantName,
  parseId,
  type ReportedHazard,
  type TransactionId,
} from '@verdict/protocol'
import type { LogIndex, StateMachine, StateSpace } from '@verdict/raft'
import { type Command, decodeCommand } from './command.ts'
import { advance, epochOf, forget, horizonOf } from './forgetting.ts'
import { checkFormat, newestFormat, raiseFormat } from './format.ts'
import { isTold, resolvedHazards } from './hazards.ts'
import { putRecord, readRecord, type StoredRecord } from './records.ts'
import { putRelease } from './releases.ts'

/** What applying a command tells whoever proposed it. */
export type Applied =
  /** The record that stands for the id: the proposed decision, or an earlier one. */
  | { readonly kind: 'recorded'; readonly record: StoredRecord }
  /** The quarantined branch of this participant may be rolled back: the group never will have an outcome for it (rule R13). */
  | { readonly kind: 'released' }
  /** Nothing is recorded for the id, and its epoch lies behind the horizon. */
  | { readonly kind: 'expired' }
  /** The decision breaks a rule; nothing was recorded. */
  | { readonly kind: 'malformed'; readonly found: string }
  /** These records are gone, each behind the horizon. */
  | { readonly kind: 'forgotten'; readonly ids: readonly TransactionId[] }
  | { readonly kind: 'done' }

/**
 * The replicated decisions of a group (rules R1, R10, R11, R16): for each id the first `decide` that was applied, and what
 * became of it, until it is forgotten. Nothing is told to anybody but what `apply` returned or what stands here.
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
      advance(space, command.keptEpochs)
      return { kind: 'forgotten', ids: forget(space) }
    case 'forget':
      return { kind: 'forgotten', ids: forget(space) }
    case 'hazard':
      return recordHazard(space, command)
    case 'resolve':
      return resolve(space, command)
    case 'release':
      return release(space, command)
    case 'upgrade':
      raiseFormat(space, command.to, newestFormat)
      return { kind: 'done' }
  }
}

// The order of these checks is rule R1: a record that is there always stands.
function decide(space: StateSpace, index: LogIndex, decision: Decision): Applied {
  const standing = readRecord(space, decision.id)
  if (standing !== undefined) return { kind: 'recorded', record: standing }
  const { epoch } = parseId(decision.id)
  if (epoch <= horizonOf(space)) return { kind: 'expired' }
  if (epoch > epochOf(space))
    return { kind: 'malformed', found: `epoch ${epoch} lies beyond the group's ${epochOf(space)}` }
  const found = faultOf(decision)
  if (found !== undefined) return { kind: 'malformed', found }
  const settled = decision.branches.every((branch) => !isTold(decision, branch.vote))
  const record: StoredRecord = { ...decision, settled, hazards: [], index }
  putRecord(space, record)
  return { kind: 'recorded', record }
}

function faultOf({ id, outcome, branches, actor }: Decision): string | undefined {
  // A kept id is never decided without the group, so that an operator may abort it before anybody has asked for its commit.
  const mayNameNone = outcome === 'aborted' && actor.kind === 'operator' && parseId(id).mark === 'kept'
  if (branches.length === 0 && !mayNameNone) return 'it names no branch'
  // What a holder asked about without its list is aborted, for it or by an operator, in a record that names the holder alone: no
  // participant has it as a lone one's.
  const isRecovered = outcome === 'aborted' && actor.kind !== 'owner'
  if (isLone(id, branches) && !isRecovered) return 'it names one branch, whose participant decides it by itself'
  if (outcome === 'aborted') return undefined
  const bad = branches.find(({ vote, token }) => (vote !== 'prepared' && vote !== 'read-only') || token === undefined)
  return bad === undefined ? undefined : `it commits although ${bad.participant} voted ${bad.vote}`
}

function settle(space: StateSpace, id: TransactionId): void {
  const record = readRecord(space, id)
  // A hazard that was recorded meanwhile keeps the record unsettled (rule R16).
  if (record === undefined || record.settled || record.hazards.some(isOpen)) return
  putRecord(space, { ...record, settled: true }, record)
}

function recordHazard(
  space: StateSpace,
  { id, participant, hazard, note }: Extract<Command, { kind: 'hazard' }>,
): Applied {
  const record = readRecord(space, id)
  if (record === undefined) return { kind: 'done' }
  if (!countsHazard(record, participant, hazard)) return { kind: 'recorded', record }
  const marked: StoredRecord = {
    ...record,
    settled: false,
    hazards: [...record.hazards, { participant, kind: hazard, note }],
  }
  putRecord(space, marked, record)
  return { kind: 'recorded', record: marked }
}

/** The outcome stays as it is, whatever an operator says (rule R16). */
function resolve(space: StateSpace, { id, participant, resolution }: Extract<Command, { kind: 'resolve' }>): Applied {
  const record = readRecord(space, id)
  if (record === undefined) return { kind: 'done' }
  const hazards = resolvedHazards(record, participant, resolution)
  if (hazards === undefined) return { kind: 'recorded', record }
  const marked: StoredRecord = { ...record, hazards }
  putRecord(space, marked, record)
  return { kind: 'recorded', record: marked }
}

/** Nothing is let go of while it may still be decided: whoever holds a branch of it asks, and is told the outcome. */
function release(space: StateSpace, { id, participant, resolution }: Extract<Command, { kind: 'release' }>): Applied {
  if (readRecord(space, id) === undefined && parseId(id).epoch > horizonOf(space)) return { kind: 'done' }
  putRelease(space, id, participant, resolution, epochOf(space))
  return { kind: 'released' }
}

/**
 * Whether a report changes the record (rule R8): it speaks of a listed branch, is new, and counts against this outcome. Otherwise
 * it is a late duplicate that met rows which were deleted long ago.
 */
export function countsHazard(record: DecisionRecord, participant: ParticipantName, hazard: ReportedHazard): boolean {
  if (!record.branches.some((branch) => branch.participant === participant)) return false
  if (record.hazards.some((known) => known.participant === participant && known.kind === hazard)) return false
  return record.outcome === 'committed' ? !record.settled : hazard === 'aborted-met-committed'
}
