import type { DecisionRecord, Digest, InstanceId, Outcome, ParticipantName, Payload, Token } from '@verdict/protocol'
import type { CommitTiming } from './commit-state.ts'
import { isHazardous, isResolved, isTold } from './hazards.ts'

/** One branch that is told the outcome, until it has acknowledged. */
interface Recipient {
  readonly participant: ParticipantName
  readonly instance: InstanceId | undefined
  readonly token: Token | undefined
  acknowledged: boolean
  sent: number
  resendAtMs: number
  /** It said that it cannot honour the outcome: an operator has to mend that, and needs longer than a pause between two sends. */
  hazardous: boolean
}

export interface DeliveryTiming extends CommitTiming {
  readonly hazardResendMs: number
}

/** The outcome of one transaction on its way to its branches (rules R6, R8). Plain data; a new leader starts it anew. */
export interface Delivery {
  record: DecisionRecord
  readonly recipients: Recipient[]
  /** Values by branch in the record's order, as far as votes and acknowledgements brought them. */
  results: (readonly Payload[] | undefined)[]
  /** All have acknowledged, and that was said. */
  settled: boolean
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
  /** The hazards of the record are others now: one was reported, or an operator has resolved some. */
  | { readonly kind: 'marked'; readonly record: DecisionRecord }
  | { readonly kind: 'woke' }
  /** An operator wants everybody told now. */
  | { readonly kind: 'hurried' }

export type DeliveryEffect =
  | {
      readonly kind: 'tell'
      readonly participant: ParticipantName
      /** The instance to tell; any of them when undefined. */
      readonly instance: InstanceId | undefined
      readonly token: Token | undefined
    }
  /** Every branch has acknowledged, or an operator has dealt with it. */
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
        acknowledged: isResolved(record, participant),
        sent: 0,
        resendAtMs: 0,
        hazardous: isHazardous(record, participant),
      })),
    results: record.branches.map(() => undefined),
    settled: false,
  }
}

/** Advances one delivery in place and says what is to be done. */
export function advanceDelivery(
  delivery: Delivery,
  event: DeliveryEvent,
  nowMs: number,
  timing: DeliveryTiming,
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
    case 'marked':
      delivery.record = event.record
      for (const recipient of delivery.recipients) {
        recipient.hazardous = isHazardous(event.record, recipient.participant)
        recipient.acknowledged ||= isResolved(event.record, recipient.participant)
      }
      return whenAllAcknowledged(delivery)
    case 'woke':
      return [
        ...delivery.recipients
          .filter(({ acknowledged: done, resendAtMs }) => !done && nowMs >= resendAtMs)
          .map((recipient) => tell(recipient, nowMs, timing)),
        ...whenAllAcknowledged(delivery),
      ]
    case 'hurried':
      return delivery.recipients
        .filter(({ acknowledged: done }) => !done)
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
  return whenAllAcknowledged(delivery)
}

function whenAllAcknowledged(delivery: Delivery): DeliveryEffect[] {
  if (delivery.settled || !delivery.recipients.every(({ acknowledged: done }) => done)) return []
  delivery.settled = true
  return [{ kind: 'settled' }]
}

function tell(
  recipient: Recipient,
  nowMs: number,
  { resendMs, maxResendMs, hazardResendMs }: DeliveryTiming,
): DeliveryEffect {
  // First to the instance that voted, which has the connection; resends alternate between it and any (rule R8).
  const instance = recipient.sent % 2 === 0 ? recipient.instance : undefined
  const pauseMs = recipient.hazardous ? hazardResendMs : Math.min(resendMs * 2 ** recipient.sent, maxResendMs)
  recipient.resendAtMs = nowMs + pauseMs
  recipient.sent += 1
  return { kind: 'tell', participant: recipient.participant, instance, token: recipient.token }
}
