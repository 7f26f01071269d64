import type { Outcome, RecordedHazard, TransactionId } from '@verdict/protocol'
import type { RaftEvent } from '@verdict/raft'

/** What happened at a coordinator, as data: shells turn it into logs and metrics. */
export type CoordinatorEvent =
  | { readonly kind: 'leading'; readonly term: number; readonly unsettled: number }
  | { readonly kind: 'steppedDown'; readonly term: number }
  | { readonly kind: 'decided'; readonly id: TransactionId; readonly outcome: Outcome }
  | { readonly kind: 'takenUp'; readonly id: TransactionId }
  | { readonly kind: 'settled'; readonly count: number }
  /** The group's format was raised. */
  | { readonly kind: 'upgraded'; readonly format: number }
  | { readonly kind: 'hazard'; readonly id: TransactionId; readonly hazard: RecordedHazard }
  /** A decision that breaks a rule was proposed, and nothing was recorded: a fault in the program. */
  | { readonly kind: 'malformedDecision'; readonly id: TransactionId; readonly found: string }
  /** A message that cannot be used was dropped. */
  | { readonly kind: 'unusableMessage'; readonly subject: string; readonly why: string }
  /** A message that the bus cannot carry was not sent: its `max_payload` is too small for what it is asked to carry. */
  | { readonly kind: 'unsendableMessage'; readonly subject: string; readonly why: string }
  | { readonly kind: 'raft'; readonly event: RaftEvent }
