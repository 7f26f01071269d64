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
  /** When to tell it (again). */
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
  /** Whether it waits for one that has much to acknowledge: then it is told seldom. */
  readonly patient: boolean
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
  /** Those that are held back have too much to acknowledge already, and are not told yet. */
  | { readonly kind: 'woke'; readonly heldBack: readonly ParticipantName[] }
  /** An operator wants everybody told now. */
  | { readonly kind: 'hurried' }

export type DeliveryEffect =
  | {
      readonly kind: 'tell'
      readonly participant: ParticipantName
      /** The instance to tell; any of them when undefined. */
      readonly instance: InstanceId | undefined
      readonly token: Token | undefined
      readonly first: boolean
    }
  /** It has acknowledged, or an operator has dealt with it; `told` says whether it was told by this delivery before. */
  | { readonly kind: 'heard'; readonly participant: ParticipantName; readonly told: boolean }
  /** Every branch has acknowledged, or an operator has dealt with it. */
  | { readonly kind: 'settled' }

/** Those that are told the outcome of a record (rule R8). */
export function toldOf(record: DecisionRecord): readonly ParticipantName[] {
  return record.branches.filter(({ vote }) => isTold(record, vote)).map(({ participant }) => participant)
}

/** A delivery that has sent nothing yet: wake it. `waitingFor` are those that have not acknowledged, where that is known. */
export function newDelivery(
  record: DecisionRecord,
  {
    waitingFor,
    patient = false,
  }: { readonly waitingFor?: readonly ParticipantName[]; readonly patient?: boolean } = {},
): Delivery {
  const awaited = waitingFor && new Set(waitingFor)
  return {
    record,
    patient,
    recipients: record.branches
      .filter(({ vote }) => isTold(record, vote))
      .map(({ participant, instance, token }) => ({
        participant,
        instance,
        token,
        acknowledged: isResolved(record, participant) || awaited?.has(participant) === false,
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
      return recipient.sent % 2 === 1 ? [tell(delivery, recipient, nowMs, timing)] : []
    }
    case 'marked':
      return [...marked(delivery, event.record), ...whenAllAcknowledged(delivery)]
    case 'woke':
      return [...woke(delivery, event.heldBack, nowMs, timing), ...whenAllAcknowledged(delivery)]
    case 'hurried':
      return delivery.recipients
        .filter(({ acknowledged: done }) => !done)
        .map((recipient) => tell(delivery, recipient, nowMs, timing))
  }
}

function marked(delivery: Delivery, record: DecisionRecord): DeliveryEffect[] {
  delivery.record = record
  const effects: DeliveryEffect[] = []
  for (const recipient of delivery.recipients) {
    recipient.hazardous = isHazardous(record, recipient.participant)
    if (recipient.acknowledged || !isResolved(record, recipient.participant)) continue
    recipient.acknowledged = true
    effects.push(heardOf(recipient))
  }
  return effects
}

function woke(
  delivery: Delivery,
  heldBack: readonly ParticipantName[],
  nowMs: number,
  timing: DeliveryTiming,
): DeliveryEffect[] {
  const effects: DeliveryEffect[] = []
  for (const recipient of delivery.recipients) {
    if (recipient.acknowledged || nowMs < recipient.resendAtMs) continue
    if (heldBack.includes(recipient.participant)) recipient.resendAtMs = nowMs + timing.maxResendMs
    else effects.push(tell(delivery, recipient, nowMs, timing))
  }
  return effects
}

/** Those that have not acknowledged; only the ones that were told, where that is asked for. */
export function awaitedBy(
  { recipients }: Delivery,
  { told = false }: { readonly told?: boolean } = {},
): readonly ParticipantName[] {
  return recipients
    .filter(({ acknowledged: done, sent }) => !done && (!told || sent > 0))
    .map(({ participant }) => participant)
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
  return [heardOf(recipient), ...whenAllAcknowledged(delivery)]
}

function heardOf({ participant, sent }: Recipient): DeliveryEffect {
  return { kind: 'heard', participant, told: sent > 0 }
}

function whenAllAcknowledged(delivery: Delivery): DeliveryEffect[] {
  if (delivery.settled || !delivery.recipients.every(({ acknowledged: done }) => done)) return []
  delivery.settled = true
  return [{ kind: 'settled' }]
}

function tell(
  { patient }: Delivery,
  recipient: Recipient,
  nowMs: number,
  { resendMs, maxResendMs, hazardResendMs }: DeliveryTiming,
): DeliveryEffect {
  // First to the instance that voted, which has the connection; resends alternate between it and any (rule R8).
  const instance = recipient.sent % 2 === 0 ? recipient.instance : undefined
  const usualMs = patient ? maxResendMs : Math.min(resendMs * 2 ** recipient.sent, maxResendMs)
  recipient.resendAtMs = nowMs + (recipient.hazardous ? hazardResendMs : usualMs)
  recipient.sent += 1
  const { participant, token, sent } = recipient
  return { kind: 'tell', participant, instance, token, first: sent === 1 }
}
