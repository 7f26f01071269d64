import type { Membership, RaftStatus, ReplicaId } from '@verdict/raft'

/** Where proposals go: whoever leads listens, in a queue group, so that each reaches one replica. */
export const proposeSubject = 'test.propose'
export const leaderQueue = 'leader'

/** From one replica to another. */
export function replicaSubject(from: ReplicaId, to: ReplicaId): string {
  return `test.raft.${from}.${to}`
}

/** Where a replica is asked for what is no proposal. */
export function askSubject(id: ReplicaId): string {
  return `test.ask.${id}`
}

export type Question =
  | { readonly kind: 'status' }
  /** Entries of the ledger after a command, once this replica has applied everything up to an index. */
  | { readonly kind: 'list'; readonly after: string; readonly appliedIndex: number }
  | { readonly kind: 'confirm' }
  | { readonly kind: 'add' | 'remove' | 'transfer'; readonly replica: ReplicaId }

export interface Status extends RaftStatus {
  readonly membership: Membership
  /** Snapshots that were installed since the process began, elections it began, entries it has compacted up to. */
  readonly snapshotsInstalled: number
  readonly electionsStarted: number
}

export type Reply =
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'notYet' }
  | { readonly kind: 'error'; readonly name: string; readonly message: string }

/** What became of a proposal. `refused` says that it is certainly not in the log. */
export const outcomes = ['committed', 'refused', 'uncertain'] as const
export type Outcome = (typeof outcomes)[number]

/** Bytes before a proposal's command: the number that its answer brings back. */
export const proposalHeaderBytes = 4

const answerBytes = 9

export function encodeAnswer(number: number, outcome: Outcome, result: number): Uint8Array {
  const answer = Buffer.allocUnsafe(answerBytes)
  answer.writeUInt32BE(number)
  answer[4] = outcomes.indexOf(outcome)
  answer.writeUInt32BE(result, 5)
  return answer
}

export function decodeAnswer(answer: Uint8Array): {
  readonly number: number
  readonly outcome: Outcome
  readonly result: number
} {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength)
  const outcome = outcomes[view.getUint8(4)]
  if (outcome === undefined) throw new Error(`An answer says ${view.getUint8(4)}, which is no outcome.`)
  return { number: view.getUint32(0), outcome, result: view.getUint32(5) }
}

export function proposalNumber(proposal: Uint8Array): number {
  return new DataView(proposal.buffer, proposal.byteOffset, proposal.byteLength).getUint32(0)
}
