import {
  type Decision,
  type DecisionRecord,
  isOpen,
  type ParticipantName,
  type RecordedHazard,
  type Resolution,
} from '@verdict/protocol'

/** Whether a branch with this vote is told the outcome: those that ended by their own vote are not (rule R8). */
export function isTold({ outcome }: Pick<Decision, 'outcome'>, vote: Decision['branches'][number]['vote']): boolean {
  return vote === 'prepared' || (outcome === 'aborted' && vote === 'unknown')
}

/**
 * The hazards of a record once an operator has dealt with a participant's branch (rule R16): its open ones are resolved. Where
 * there is none and the branch has not acknowledged, that nobody saw it end becomes a hazard of its own, resolved from the start.
 * Undefined when there is nothing to resolve.
 */
export function resolvedHazards(
  record: DecisionRecord,
  participant: ParticipantName,
  resolved: Resolution,
): RecordedHazard[] | undefined {
  const isMeant = (hazard: RecordedHazard): boolean => hazard.participant === participant && isOpen(hazard)
  if (record.hazards.some(isMeant)) {
    return record.hazards.map((hazard) => (isMeant(hazard) ? { ...hazard, resolved } : hazard))
  }
  const isAwaited = record.branches.some((branch) => branch.participant === participant && isTold(record, branch.vote))
  if (record.settled || !isAwaited || isResolved(record, participant)) return undefined
  const note = `Nobody has seen that it is ${record.outcome} there.`
  return [...record.hazards, { participant, kind: 'never-acknowledged', note, resolved }]
}

/** Whether an operator has dealt with all that is known of a participant's branch, so that no acknowledgement is waited for. */
export function isResolved({ hazards }: DecisionRecord, participant: ParticipantName): boolean {
  const own = hazards.filter((hazard) => hazard.participant === participant)
  return own.length > 0 && !own.some(isOpen)
}

/** Whether a participant's branch has a hazard that nobody has dealt with. */
export function isHazardous({ hazards }: DecisionRecord, participant: ParticipantName): boolean {
  return hazards.some((hazard) => hazard.participant === participant && isOpen(hazard))
}
