import type { DecisionRecord, Digest, InstanceId, Outcome, ParticipantName, Payload, Token } from '@verdict/protocol'
import type { CommitTiming } from './commit-state.ts'
import { isTold } from './decisions.ts'

/** One branch that is told the outcome, until it has acknowledged. */
interface Recipient {
  readonly participant: ParticipantName
  readonly instance: InstanceId | undefined
  readonly token: Token | undefined
  acknowledged: boolean
  sent: number
  resendAtMs: number
}

/** The outcome of one transaction on its way to its branches (rules R6, R8). Plain data; a new leader starts it anew. */
export interface Delivery {
  record: DecisionRecord
  readonly recipients: Recipient[]
  /** Values by branch in the record's order, as far as votes and acknowledgements brought them. */
  results: (readonly Payload[] | undefined)[]
}

export type DeliveryEvent =
  | {
      readonly kind: 'acknowledged'
      readonly participant: ParticipantName
      readonly digest: Digest
      readonly applied: Outcome
      readonly results: readonly Payload[] | undefined
    }
  /** Nobody listened at the instance that was told. */
  | { readonly kind: 'unreachable'; readonly participant: ParticipantName; readonly instance: InstanceId }
  | { readonly kind: 'woke' }

export type DeliveryEffect =
  | {
      readonly kind: 'tell'
      readonly participant: ParticipantName
      /** The instance to tell; any of them when undefined. */
      readonly instance: InstanceId | undefined
      readonly token: Token | undefined
    }
  /** Every branch has acknowledged. */
  | { readonly kind: 'settled' }

/** A delivery that has sent nothing yet: wake it. */
export function newDelivery(record: DecisionRecord): Delivery {
  return {
    record,
    recipients: record.branches
      .filter(({ vote }) => isTold(record, vote))
      .map(({ participant, instance, token }) => ({
        participant,
        instance,
        token,
        acknowledged: false,
        sent: 0,
        resendAtMs: 0,
      })),
    results: record.branches.map(() => undefined),
  }
}

/** Advances one delivery in place and says what is to be done. */
export function advanceDelivery(
  delivery: Delivery,
  event: DeliveryEvent,
  nowMs: number,
  timing: CommitTiming,
): DeliveryEffect[] {
  switch (event.kind) {
    case 'acknowledged':
      return acknowledged(delivery, event)
    case 'unreachable': {
      const recipient = delivery.recipients.find(({ participant }) => participant === event.participant)
      if (recipient === undefined || recipient.acknowledged || recipient.instance !== event.instance) return []
      // Any other instance reaches the same resource; it was told already when the hint comes late.
      return recipient.sent % 2 === 1 ? [tell(recipient, nowMs, timing)] : []
    }
    case 'woke':
      return delivery.recipients
        .filter(({ acknowledged: done, resendAtMs }) => !done && nowMs >= resendAtMs)
        .map((recipient) => tell(recipient, nowMs, timing))
  }
}

/** When the delivery wants to be woken next; undefined when all have acknowledged. */
export function deliveryWakeAtMs({ recipients }: Delivery): number | undefined {
  return recipients.reduce<number | undefined>(
    (earliest, { acknowledged: done, resendAtMs }) => (done ? earliest : Math.min(earliest ?? resendAtMs, resendAtMs)),
    undefined,
  )
}

function acknowledged(delivery: Delivery, event: Extract<DeliveryEvent, { kind: 'acknowledged' }>): DeliveryEffect[] {
  const { record, recipients, results } = delivery
  if (event.digest !== record.digest || event.applied !== record.outcome) return []
  const recipient = recipients.find(({ participant }) => participant === event.participant)
  if (recipient === undefined || recipient.acknowledged) return []
  recipient.acknowledged = true
  const position = record.branches.findIndex(({ participant }) => participant === event.participant)
  results[position] ??= event.results
  return recipients.every(({ acknowledged: done }) => done) ? [{ kind: 'settled' }] : []
}

function tell(recipient: Recipient, nowMs: number, { resendMs, maxResendMs }: CommitTiming): DeliveryEffect {
  // First to the instance that voted, which has the connection; resends alternate between it and any (rule R8).
  const instance = recipient.sent % 2 === 0 ? recipient.instance : undefined
  recipient.resendAtMs = nowMs + Math.min(resendMs * 2 ** recipient.sent, maxResendMs)
  recipient.sent += 1
  return { kind: 'tell', participant: recipient.participant, instance, token: recipient.token }
}
