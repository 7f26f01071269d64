import type { Digest, Found, ParticipantName, RecordedHazard, TransactionId } from '@verdict/protocol'

/** What the caller of a committed transaction may keep of it. */
export interface Receipt {
  readonly id: TransactionId
  /** `logged`: its decision is recorded for good. `read-only`: nothing was written, and nothing needed to be recorded. */
  readonly path: 'logged' | 'read-only'
  readonly participants: readonly ParticipantName[]
  /** Binds the id to the list of branches; undefined when no branch was opened. */
  readonly digest: Digest | undefined
  /**
   * Whether every branch had applied it when the answer came: from then on everybody sees its effects. What an operator has
   * dealt with counts as applied, and stands in `hazards`.
   */
  readonly applied: boolean
  /** What participants could not honour, with how operators have dealt with it; absent when there was nothing of the kind. */
  readonly hazards?: readonly RecordedHazard[]
}

/** The receipt of what a look found committed. */
export function receiptOf(found: Extract<Found, { kind: 'recorded' }>): Receipt {
  return {
    id: found.id,
    path: 'logged',
    participants: found.branches.map(({ participant }) => participant),
    digest: found.digest,
    applied: found.settled,
    ...mended(found.hazards),
  }
}

/** The hazards of a receipt: none of them is open, or there would be no receipt. */
export function mended(hazards: readonly RecordedHazard[]): Pick<Receipt, 'hazards'> {
  return hazards.length === 0 ? {} : { hazards }
}
