import type {
  Decided,
  Digest,
  Found,
  LoneDecided,
  Operation,
  ParticipantName,
  Payload,
  Reason,
  RecordedHazard,
} from '@verdict/protocol'
import { type Spent, spentAlone, spentAsking, spentLogged, spentReading } from './cost.ts'

/** What an answer to a commit means for the one who asked. */
export type Conclusion =
  | {
      readonly kind: 'committed'
      /** Values by branch in the list's order; undefined when they are not known (any more), or were not asked for. */
      readonly results: readonly (readonly Payload[])[] | undefined
      readonly path: 'lone' | 'logged' | 'read-only'
      readonly applied: boolean
      readonly spent: Spent
    }
  | { readonly kind: 'hazards'; readonly hazards: readonly RecordedHazard[] }
  | { readonly kind: 'aborted'; readonly reason: Reason }
  /** Nothing of this epoch is recorded any more. */
  | { readonly kind: 'expired' }
  /** Decided under another list: this one is not committed and never will be. */
  | { readonly kind: 'conflict' }
  /** The request cannot be taken, now or later. It says nothing about an outcome. */
  | { readonly kind: 'unusable'; readonly reason: Reason }

/** How an answer is to be taken: as the last word, as good enough if nothing better comes in time, or as "ask again". */
export type Reading =
  | { readonly kind: 'final'; readonly conclusion: Conclusion }
  | { readonly kind: 'partial'; readonly conclusion: Conclusion }
  | { readonly kind: 'again' }

/** What was asked for. */
export interface Wanted {
  /** The sealed list's own digest: an answer for another one is not for us. */
  readonly digest: Digest
  readonly wait: 'decided' | 'applied'
  /** The operations of each branch, for a one-shot. */
  readonly operations: readonly (readonly Operation[])[] | undefined
}

/** Reads the answer of a group to `commit`; undefined when it is no answer to this request. Only two kinds are outcomes. */
export function readDecided(decided: Decided, wanted: Wanted): Reading | undefined {
  if (decided.digest !== wanted.digest) return undefined
  const { answer } = decided
  switch (answer.kind) {
    case 'committed': {
      if (answer.hazards.length > 0) return final({ kind: 'hazards', hazards: answer.hazards })
      const results = wholeResults(answer.results, wanted)
      const { applied } = answer
      const complete =
        (applied || wanted.wait === 'decided') && (results !== undefined || wanted.operations === undefined)
      const spent = spentLogged(answer.took)
      const conclusion = { kind: 'committed', path: 'logged', results, applied, spent } as const
      // A later answer can bring results, and the word that all have applied it, but no other outcome. Once all have
      // applied it, nobody is left who could tell more.
      return complete || applied ? final(conclusion) : { kind: 'partial', conclusion }
    }
    case 'read-only': {
      const results = wholeResults(answer.results, wanted)
      const spent = spentAsking(answer.took)
      return final({ kind: 'committed', path: 'read-only', results, applied: true, spent })
    }
    case 'aborted':
      return final({ kind: 'aborted', reason: answer.reason })
    case 'expired':
      return final({ kind: 'expired' })
    case 'conflict':
      return final({ kind: 'conflict' })
    case 'pending':
      return { kind: 'again' }
    case 'refused':
      return answer.reason.retryable ? { kind: 'again' } : final({ kind: 'unusable', reason: answer.reason })
  }
}

/** Reads what `participant` answers to `alone`; undefined when it is no answer to this request. Only two kinds are outcomes. */
export function readLone(
  { digest, answer }: LoneDecided,
  participant: ParticipantName,
  wanted: Omit<Wanted, 'wait'>,
): Reading | undefined {
  if (digest !== wanted.digest) return undefined
  const oneShot = wanted.operations !== undefined
  switch (answer.kind) {
    case 'committed': {
      const results = wholeResults(answer.results && [answer.results], wanted)
      const spent = spentAlone(answer.took, oneShot)
      return final({ kind: 'committed', path: 'lone', results, applied: true, spent })
    }
    case 'read-only': {
      const results = wholeResults(answer.results && [answer.results], wanted)
      const spent = spentReading(answer.took, oneShot)
      return final({ kind: 'committed', path: 'read-only', results, applied: true, spent })
    }
    case 'aborted':
      return final({ kind: 'aborted', reason: { ...answer.reason, participant } })
    case 'expired':
    case 'conflict':
      return final({ kind: answer.kind })
    case 'busy':
      return { kind: 'again' }
  }
}

/** What a run under an id of the caller's is to do after a look (rule R17). */
export type Advice =
  | { readonly kind: 'replay'; readonly found: Extract<Found, { kind: 'recorded' }> }
  | { readonly kind: 'hazards'; readonly hazards: readonly RecordedHazard[] }
  | { readonly kind: 'aborted'; readonly reason: Reason }
  | { readonly kind: 'expired' }
  | { readonly kind: 'run' }

export function readFound(found: Found): Advice {
  switch (found.kind) {
    case 'recorded':
      if (found.outcome === 'aborted') return { kind: 'aborted', reason: found.reason ?? unknownReason }
      return found.hazards.length > 0 ? { kind: 'hazards', hazards: found.hazards } : { kind: 'replay', found }
    case 'none':
      return { kind: 'run' }
    case 'expired':
      return { kind: 'expired' }
  }
}

const unknownReason: Reason = {
  code: 'aborted',
  message: 'It was aborted before, for a reason that was not recorded.',
  retryable: true,
}

function final(conclusion: Conclusion): Reading {
  return { kind: 'final', conclusion }
}

/** Results are of use only when each operation has one. */
function wholeResults(
  results: readonly (readonly Payload[])[] | 'pending' | undefined,
  { operations }: Pick<Wanted, 'operations'>,
): readonly (readonly Payload[])[] | undefined {
  if (results === undefined || results === 'pending' || operations === undefined) return undefined
  const whole =
    results.length === operations.length && operations.every((own, place) => results[place]?.length === own.length)
  return whole ? results : undefined
}
