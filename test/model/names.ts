import {
  type Epoch,
  groupName,
  type IdMark,
  type InstanceId,
  makeId,
  makeIncarnation,
  type Nonce,
  ownerName,
  type ParticipantName,
  type Payload,
  participantName,
  type Reason,
  type Token,
  type TransactionId,
} from '@verdict/protocol'

/** The one transaction, of a client that keeps its id or of one that does not. */
export function idOf(mark: IdMark): TransactionId {
  const group = groupName('group')
  const incarnation = makeIncarnation(new Uint8Array(8))
  return makeId({ group, incarnation, epoch: 1 as Epoch, owner: ownerName('owner'), mark }, new Uint8Array(12))
}

export const p: ParticipantName = participantName('p')
export const q: ParticipantName = participantName('q')

/** Names that a trace can be read by; who draws them in reality draws 96 random bits. */
export function instanceOf(participant: ParticipantName, life: number): InstanceId {
  return `${participant}.${life}` as InstanceId
}

export function tokenOf(participant: ParticipantName, opening: number): Token {
  return `${participant}#${opening}` as Token
}

export function nonceOf(run: number): Nonce {
  return `run-${run}` as Nonce
}

export const nothing: Payload = new Uint8Array() as Payload

/** Why anything is refused. */
export const refusal: Reason = { code: 'no', message: 'No.', retryable: false }

/** The only budget there is. Time stands still until a step lets something run out. */
export const budgetMs = 100
