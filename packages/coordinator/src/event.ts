import type {
  Epoch,
  Operator,
  Outcome,
  ParticipantName,
  RecordedHazard,
  TransactionId,
  Trouble,
} from '@verdict/protocol'
import type { RaftEvent } from '@verdict/raft'

/** What happened at a coordinator, as data: shells turn it into logs and metrics. */
export type CoordinatorEvent =
  | { readonly kind: 'leading'; readonly term: number; readonly unsettled: number }
  | { readonly kind: 'steppedDown'; readonly term: number }
  | { readonly kind: 'decided'; readonly id: TransactionId; readonly outcome: Outcome }
  | { readonly kind: 'takenUp'; readonly id: TransactionId }
  | { readonly kind: 'settled'; readonly count: number }
  /** The epoch moved, and the horizon with it (rule R11). */
  | { readonly kind: 'advanced'; readonly epoch: Epoch; readonly horizon: Epoch }
  /** Records behind the horizon are gone. */
  | { readonly kind: 'forgotten'; readonly count: number }
  /** The group's format was raised. */
  | { readonly kind: 'upgraded'; readonly format: number }
  | { readonly kind: 'hazard'; readonly id: TransactionId; readonly hazard: RecordedHazard }
  /** An operator has dealt with a participant's branch by hand. */
  | ({ readonly kind: 'resolved'; readonly id: TransactionId; readonly participant: ParticipantName } & Operator)
  /** An operator has aborted it, unless it was decided. */
  | ({ readonly kind: 'forced'; readonly id: TransactionId; readonly outcome: Outcome } & Operator)
  /** A transaction is stuck, and was not before: somebody has to look. */
  | { readonly kind: 'trouble'; readonly trouble: Trouble }
  /** Dealing with a transaction threw. It is left alone for a while, and nobody else waits for it. */
  | { readonly kind: 'poisoned'; readonly id: TransactionId; readonly error: unknown }
  /** The oldest decided transaction has waited for acknowledgements for longer than the age limit. */
  | { readonly kind: 'overdue'; readonly id: TransactionId; readonly ageMs: number }
  /** A decision that breaks a rule was proposed, and nothing was recorded: a fault in the program. */
  | { readonly kind: 'malformedDecision'; readonly id: TransactionId; readonly found: string }
  /** A message that cannot be used was dropped. */
  | { readonly kind: 'unusableMessage'; readonly subject: string; readonly why: string }
  /** A message that the bus cannot carry was not sent: its `max_payload` is too small for what it is asked to carry. */
  | { readonly kind: 'unsendableMessage'; readonly subject: string; readonly why: string }
  | { readonly kind: 'raft'; readonly event: RaftEvent }
