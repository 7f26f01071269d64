import {
  type BranchList,
  branchOf,
  type DecisionRecord,
  type Digest,
  digestOf,
  type Epoch,
  type Found,
  type HeldBranch,
  type InquiryAnswer,
  isLone,
  type ParticipantName,
  parseId,
  type SweepAnswer,
  type Token,
  type TransactionId,
} from '@verdict/protocol'
import { speaksOf } from './records.ts'

type HolderAnswer = InquiryAnswer['answers'][number]

/**
 * What a group answers to a participant that holds a prepared branch (rule R8). `unknown` means that the transaction has to be
 * taken up (rule R6); every other answer is final. `expired` needs a confirmed leadership before it is told. `isReleased` says whether
 * an operator lets go of a branch that has no outcome, whatever history its store has (rule R13).
 */
export function answerHolder(
  record: DecisionRecord | undefined,
  horizon: Epoch,
  asker: ParticipantName,
  held: { readonly id: TransactionId; readonly digest: Digest },
  isReleased: () => boolean = () => false,
): HolderAnswer | 'unknown' {
  const { id, digest } = held
  const withoutOutcome = (answer: 'discard' | 'expired'): HolderAnswer => {
    return { id, digest, answer: isReleased() ? 'released' : answer }
  }
  if (record === undefined) return parseId(id).epoch <= horizon ? withoutOutcome('expired') : 'unknown'
  if (!speaksOf(record, digest)) return withoutOutcome('discard')
  const branch = record.branches.find(({ participant }) => participant === asker)
  const named = {
    ...(branch?.token === undefined ? {} : { token: branch.token }),
    ...(record.trace === undefined ? {} : { trace: record.trace }),
  }
  if (record.outcome === 'aborted') return { id, digest, answer: 'aborted', ...named }
  return branch?.vote === 'prepared' ? { id, digest, answer: 'committed', ...named } : withoutOutcome('discard')
}

/** Whether an answer rests on a record: only that may be told before leadership is confirmed (rules R1, R3). */
export function restsOnRecord({ answer }: HolderAnswer): boolean {
  return answer === 'committed' || answer === 'aborted' || answer === 'discard'
}

/**
 * What a group answers about a committed row that a participant would like to delete (rule R12). `forgotten` needs a confirmed
 * leadership before it is told; a row that the group never had a record of is none of its rows.
 */
export function answerSweep(
  record: DecisionRecord | undefined,
  horizon: Epoch,
  id: TransactionId,
): SweepAnswer['answers'][number] {
  return { id, answer: record === undefined && parseId(id).epoch <= horizon ? 'forgotten' : 'kept' }
}

/** Whether this opening of the asker's branch is the one whose vote was counted: only that one's row acknowledges (rule R8). */
export function isCounted(record: DecisionRecord, asker: ParticipantName, token: Token): boolean {
  return record.branches.some((branch) => branch.participant === asker && branch.token === token)
}

/** The list that a holder sent along, if it is the one its digest binds and names the branch that it holds. */
export function trustedList(asker: ParticipantName, held: HeldBranch): BranchList | undefined {
  if (held.list === undefined || digestOf(held.id, held.list) !== held.digest) return undefined
  if (isLone(held.id, held.list)) return undefined
  const branch = branchOf(held.list, asker)
  if (branch === undefined) return undefined
  return branch.kind === 'called' && branch.token !== held.token ? undefined : held.list
}

/** What a look finds in the applied state. `none` and `expired` need a confirmed leadership before they are told. */
export function lookUp(record: DecisionRecord | undefined, horizon: Epoch, id: TransactionId): Found {
  if (record === undefined) return { kind: parseId(id).epoch <= horizon ? 'expired' : 'none', id }
  const { outcome, digest, branches, reason, actor, settled, hazards, decidedAtMs, trace } = record
  return {
    kind: 'recorded',
    id,
    outcome,
    digest,
    branches,
    actor,
    settled,
    hazards,
    decidedAtMs,
    ...(reason === undefined ? {} : { reason }),
    ...(trace === undefined ? {} : { trace }),
  }
}
