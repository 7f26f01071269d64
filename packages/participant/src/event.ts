import type {
  Digest,
  GroupId,
  Outcome,
  Reason,
  ReportedHazard,
  Token,
  TransactionId,
  TroubleKind,
} from '@verdict/protocol'

/** What happens at an instance, as data, for its service's logs and metrics. Nothing waits for whoever listens. */
export type ParticipantEvent =
  | { readonly kind: 'opened'; readonly id: TransactionId; readonly token: Token }
  /** User code threw something that is not a refusal, or a resource something that it should not. */
  | { readonly kind: 'failed'; readonly id?: TransactionId; readonly what: string; readonly error: unknown }
  /** A branch ended without effect, before any vote or by a vote `refused`. */
  | { readonly kind: 'refused'; readonly id: TransactionId; readonly reason: Reason }
  | { readonly kind: 'prepared'; readonly id: TransactionId; readonly digest: Digest; readonly token: Token }
  | { readonly kind: 'read-only'; readonly id: TransactionId }
  /** An outcome is applied here and durable. */
  | { readonly kind: 'finished'; readonly id: TransactionId; readonly outcome: Outcome }
  /** A prepared branch of which its group knows nothing was rolled back. */
  | { readonly kind: 'discarded'; readonly id: TransactionId }
  /** An outcome cannot be honoured here: somebody has to look. */
  | { readonly kind: 'hazard'; readonly id: TransactionId; readonly hazard: ReportedHazard }
  /** The store is not the one that prepared this branch; it waits for an outcome or an operator. */
  | { readonly kind: 'quarantined'; readonly id: TransactionId }
  /** What was told does not concern the branch that is prepared here. */
  | {
      readonly kind: 'ignored'
      readonly id: TransactionId
      readonly told: Outcome | 'discard' | 'expired' | 'released'
    }
  /** A branch is stuck, and was not before: somebody has to look. */
  | { readonly kind: 'trouble'; readonly id: TransactionId; readonly trouble: TroubleKind; readonly note: string }
  /** An outcome could not be applied yet; it is tried again for ever. */
  | { readonly kind: 'retrying'; readonly id: TransactionId; readonly attempt: number; readonly error: unknown }
  /** Outcomes of these were asked for. */
  | { readonly kind: 'in-doubt'; readonly group: GroupId; readonly ids: readonly TransactionId[] }
  /** Rows at or below the group's floor were deleted. */
  | { readonly kind: 'forgot'; readonly group: GroupId; readonly rows: number }
  /** A message that nobody may send, or that says nothing. */
  | { readonly kind: 'rejected'; readonly subject: string; readonly why: string }

export type Observer = (event: ParticipantEvent) => void

/** How often things happened since the start. */
export interface Counters {
  opened: number
  prepared: number
  readOnly: number
  refused: number
  committed: number
  aborted: number
  discarded: number
  hazards: number
  failed: number
  rejected: number
  /** Rows of old transactions that were deleted. */
  forgotten: number
  /** Messages dropped because a limit was met; whoever sent them asks again. */
  dropped: number
}

export function noCounters(): Counters {
  return {
    opened: 0,
    prepared: 0,
    readOnly: 0,
    refused: 0,
    committed: 0,
    aborted: 0,
    discarded: 0,
    hazards: 0,
    failed: 0,
    rejected: 0,
    forgotten: 0,
    dropped: 0,
  }
}

/** Counts an event. */
export function count(counters: Counters, event: ParticipantEvent): void {
  switch (event.kind) {
    case 'opened':
    case 'prepared':
    case 'refused':
    case 'discarded':
    case 'failed':
    case 'rejected':
      counters[event.kind] += 1
      return
    case 'read-only':
      counters.readOnly += 1
      return
    case 'finished':
      counters[event.outcome] += 1
      return
    case 'hazard':
      counters.hazards += 1
      return
    case 'forgot':
      counters.forgotten += event.rows
      return
    case 'quarantined':
    case 'ignored':
    case 'retrying':
    case 'trouble':
    case 'in-doubt':
      return
  }
}
