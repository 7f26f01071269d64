import type { Digest, InquiryAnswer, Outcome, ReportedHazard, Token } from '@verdict/protocol'
import type { BranchKey, Row } from './resource.ts'

/** What a group told about one transaction: an outcome, or that there is none for the branch asked about. */
export type Told =
  | {
      readonly kind: Outcome
      readonly digest: Digest
      /** The opening whose vote was counted; undefined when an aborted record knows none. */
      readonly token: Token | undefined
    }
  | WithoutOutcome

/** `released`: there is none, and an operator has said that this holds in another history of the store too (rule R13). */
interface WithoutOutcome {
  readonly kind: 'discard' | 'expired' | 'released'
  readonly digest: Digest
}

/** What an answer to an inquiry tells; undefined when it tells nothing yet. */
export function toldBy({ digest, token, answer }: InquiryAnswer['answers'][number]): Told | undefined {
  switch (answer) {
    case 'committed':
    case 'aborted':
      return { kind: answer, digest, token }
    case 'discard':
    case 'expired':
    case 'released':
      return { kind: answer, digest }
    case 'pending':
      return undefined
  }
}

export function isOutcome({ kind }: Told): boolean {
  return kind === 'committed' || kind === 'aborted'
}

/**
 * Whether what an instance remembers of the row is enough to end it. Memory is enough for an outcome; whether the store is still the
 * one that prepared, only the store can say (rule R13).
 */
export function isEnough(known: Row, told: Told): boolean {
  return isOutcome(told) || known.state === 'underway'
}

/** What a participant does about it. */
export type Ending =
  | {
      readonly kind: 'finish'
      readonly branch: Pick<BranchKey, 'digest' | 'token'>
      readonly ending: Outcome | 'discarded'
    }
  /** It is done and durable: say so (again). */
  | { readonly kind: 'acknowledge'; readonly applied: Outcome }
  /** Drop an open branch, make it durable that none can be prepared any more, then acknowledge. */
  | { readonly kind: 'tombstone' }
  /** The outcome cannot be honoured: tell the group, change nothing, never acknowledge. */
  | { readonly kind: 'hazard'; readonly hazard: ReportedHazard }
  /** The store is not the one that prepared the branch: only an outcome or an operator ends it (rule R13). */
  | { readonly kind: 'quarantine' }
  | { readonly kind: 'later' }
  | { readonly kind: 'ignore' }

/**
 * The table of rule R8: what a participant's row says, against what it is told. An open branch counts as `nothing`, and is
 * dropped where a tombstone is asked for.
 */
export function endingFor(row: Row, told: Told): Ending {
  switch (told.kind) {
    case 'committed':
      return whenCommitted(row, told)
    case 'aborted':
      return whenAborted(row, told)
    case 'discard':
    case 'expired':
    case 'released':
      return withoutOutcome(row, told)
  }
}

function whenCommitted(row: Row, told: { readonly digest: Digest; readonly token: Token | undefined }): Ending {
  switch (row.state) {
    case 'prepared':
      return isSame(row, told)
        ? { kind: 'finish', branch: row, ending: 'committed' }
        : { kind: 'hazard', hazard: 'other-branch-prepared' }
    case 'committed':
      // Effects of another opening are not the ones that the decision rests on.
      return isSame(row, told)
        ? { kind: 'acknowledge', applied: 'committed' }
        : { kind: 'hazard', hazard: 'other-branch-prepared' }
    case 'aborted':
      return { kind: 'hazard', hazard: 'committed-met-aborted' }
    case 'nothing':
      return { kind: 'hazard', hazard: 'effects-lost' }
    case 'underway':
      return { kind: 'later' }
  }
}

function whenAborted(row: Row, told: { readonly digest: Digest }): Ending {
  switch (row.state) {
    case 'prepared':
      return row.digest === told.digest ? { kind: 'finish', branch: row, ending: 'aborted' } : { kind: 'ignore' }
    case 'committed':
      return { kind: 'hazard', hazard: 'aborted-met-committed' }
    case 'aborted':
      return { kind: 'acknowledge', applied: 'aborted' }
    case 'nothing':
      return { kind: 'tombstone' }
    case 'underway':
      return { kind: 'later' }
  }
}

function withoutOutcome(row: Row, told: WithoutOutcome): Ending {
  switch (row.state) {
    case 'prepared':
      if (told.kind !== 'expired' && row.digest !== told.digest) return { kind: 'ignore' }
      if (row.history === 'changed' && told.kind !== 'released') return { kind: 'quarantine' }
      return { kind: 'finish', branch: row, ending: 'discarded' }
    case 'committed':
    case 'aborted':
    case 'nothing':
      return { kind: 'ignore' }
    case 'underway':
      return { kind: 'later' }
  }
}

/** A record without a token never told `committed` (rule R1 asks for a good vote, which carries one): then nothing is the same. */
function isSame(
  row: { readonly digest: Digest; readonly token: Token },
  told: { readonly digest: Digest; readonly token: Token | undefined },
): boolean {
  return row.digest === told.digest && row.token === told.token
}
