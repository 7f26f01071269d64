import {
  type Digest,
  type Epoch,
  type Found,
  type InstanceId,
  makeId,
  makeToken,
  ownerName,
  parseGroupId,
  participantName,
  type StatusReport,
  type TransactionId,
} from '@verdict/protocol'
import { group, nowMs } from './fake-group.ts'

const { name, incarnation } = parseGroupId(group)

export function id(number: number): TransactionId {
  const owner = ownerName('checkout')
  return makeId({ group: name, incarnation, epoch: 1 as Epoch, owner, mark: 'kept' }, new Uint8Array(12).fill(number))
}

/** A transaction that payments refused and orders could not honour. */
export const recorded: Extract<Found, { kind: 'recorded' }> = {
  kind: 'recorded',
  id: id(1),
  outcome: 'aborted',
  digest: 'a'.repeat(26) as Digest,
  branches: [
    { participant: participantName('orders'), vote: 'unknown' },
    {
      participant: participantName('payments'),
      vote: 'refused',
      instance: makeToken<InstanceId>(new Uint8Array(12).fill(7)),
    },
  ],
  actor: { kind: 'holder', participant: participantName('orders') },
  reason: { code: 'insufficient-funds', message: 'Too little.', retryable: false, participant: 'payments' },
  settled: false,
  hazards: [{ participant: participantName('orders'), kind: 'aborted-met-committed', note: 'a row says committed' }],
  decidedAtMs: nowMs - 90_000,
  trace: { traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` },
}

/** Transactions as a leader reports them, not in the order of their age. */
export const inDoubt: StatusReport['inDoubt'] = [
  { number: 2, ageMs: 5000 },
  { number: 3, ageMs: 7_200_000 },
].map(({ number, ageMs }) => ({
  id: id(number),
  outcome: 'committed' as const,
  decidedAtMs: nowMs - ageMs,
  waitingFor: [participantName('orders'), participantName('payments')],
  hazards: [],
}))

/** One that orders could not honour, and that nobody has dealt with. */
export const withHazards: StatusReport['withHazards'] = inDoubt.slice(0, 1).map((one) => ({
  ...one,
  hazards: [{ participant: participantName('orders'), kind: 'effects-lost', note: 'found: nothing' }],
}))
