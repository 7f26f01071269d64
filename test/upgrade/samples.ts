import type { Command } from '@verdict/coordinator/internal'
import type { BranchNote } from '@verdict/participant'
import {
  type Digest,
  digestOf,
  encodePayload,
  type ParticipantName,
  participantName,
  type TraceContext,
} from '@verdict/protocol'
import type { ReplicaId } from '@verdict/raft'
import { calledList, decision, id, instance, owner, p, q, s, token } from '../../packages/coordinator/test/samples.ts'

/** The only replica of the group that is recorded. */
export const replica: ReplicaId = 'n1' as ReplicaId

const trace: TraceContext = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'shop=1' }
const three = calledList(p, q, s)
const unsettled = [3, 4, 5, 6] as const
const resolution = { by: 'alice', as: owner, because: 'mended by hand', atMs: 1 }
const hazards = ['effects-lost', 'committed-met-aborted', 'other-branch-prepared', 'effects-lost'] as const

/** Commands of every kind, in the order in which they are recorded; the compiler sees that none is missing. */
export const commands: { readonly [K in Command['kind']]: readonly Extract<Command, { kind: K }>[] } = {
  decide: [
    { kind: 'decide', decision: decision(id(1), 'committed') },
    { kind: 'decide', decision: { ...decision(id(2), 'committed', three), trace } },
    ...unsettled.map((number) => ({ kind: 'decide', decision: decision(id(number), 'committed') }) as const),
    // Of a kept id, with one branch.
    { kind: 'decide', decision: decision(id(7, { mark: 'kept' }), 'committed', calledList(p)) },
    {
      kind: 'decide',
      decision: {
        ...decision(id(8), 'committed', three),
        branches: [
          { participant: p, vote: 'prepared', instance: instance(p), token: token(p) },
          { participant: q, vote: 'read-only', instance: instance(q), token: token(q) },
          { participant: s, vote: 'prepared', instance: instance(s), token: token(s) },
        ],
      },
    },
    { kind: 'decide', decision: { ...decision(id(9), 'aborted'), trace } },
    {
      kind: 'decide',
      decision: {
        ...decision(id(10), 'aborted'),
        branches: [
          { participant: p, vote: 'refused', instance: instance(p) },
          { participant: q, vote: 'unknown' },
        ],
        reason: { code: 'insufficient-funds', message: 'Zu wenig: 3 €.', retryable: false, participant: p },
      },
    },
    {
      kind: 'decide',
      decision: {
        ...decision(id(11), 'aborted'),
        branches: [{ participant: p, vote: 'unknown', token: token(p) }],
        actor: { kind: 'holder', participant: p },
        reason: { code: 'list-lost', message: 'Nobody knew the list.', retryable: true },
      },
    },
    // The first one stands.
    { kind: 'decide', decision: decision(id(1), 'aborted') },
  ],
  hazard: unsettled.map((number, place) => ({
    kind: 'hazard',
    id: id(number),
    participant: p,
    hazard: hazards[place] ?? 'effects-lost',
    note: `seen at ${number}`,
  })),
  // One with a hazard stays as it is.
  settled: [{ kind: 'settled', ids: [id(1), id(2), id(3), id(9)] }],
  advance: [{ kind: 'advance', keptEpochs: 360 }],
  forget: [{ kind: 'forget' }],
  resolve: [{ kind: 'resolve', id: id(4), participant: p, resolution }],
  // Of a branch that the record does not name.
  release: [{ kind: 'release', id: id(1), participant: s, resolution }],
  upgrade: [{ kind: 'upgrade', to: 1 }],
}

/** A command that changes nothing, as many as fill a log so that its beginning is left to the space. */
export const filler: Command = { kind: 'settled', ids: [id(1)] }

/** What a participant keeps of a branch, with all that may be kept. */
export function noteOf(number: number, participant: ParticipantName): Required<BranchNote> {
  const digest: Digest = digestOf(id(number), calledList(participant))
  return {
    id: id(number),
    digest,
    token: token(participant, number),
    results: [encodePayload({ balance: 90n, at: new Date(0) }, 'the result')],
    trace,
    serializable: true,
  }
}

export const inventory: ParticipantName = participantName('inventory')
export const payments: ParticipantName = participantName('payments')
