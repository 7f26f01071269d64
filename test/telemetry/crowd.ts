import {
  type Alone,
  answerSubject,
  decodePacket,
  encodePacket,
  encodePayload,
  groupOf,
  type InstanceId,
  type Message,
  makeToken,
  namespace,
  type ParticipantName,
  participantName,
  type Reason,
  subjects,
  type Token,
} from '@verdict/protocol'
import type { BusMessage, World } from '@verdict/runtime'

const under = subjects(namespace())
const instance = makeToken<InstanceId>(new Uint8Array(12).fill(1))
const token = makeToken<Token>(new Uint8Array(12).fill(2))
const done = encodePayload('done', 'It')

/**
 * Participants under every name that somebody makes up, each with every operation. `fail-…` is refused with a code of that name, in
 * a call or in a vote; the others take effect.
 */
export function serveCrowd({ bus }: World): void {
  bus.subscribe('verdict.v1.call.*.*', ({ subject, payload, replyTo = '' }) => {
    const { request, message } = decodePacket(payload)
    const participant = fourthToken(subject)
    const answerWith = (answer: Message): void =>
      bus.publish(
        answerSubject(replyTo, { kind: 'participant', participant }),
        encodePacket({ request, message: answer }),
      )
    if (message.type === 'alone') answerWith(decide(message))
    if (message.type !== 'call') return
    const { id, n, operation } = message
    const result = operation.startsWith('fail-')
      ? ({ kind: 'refused', reason: refusal(operation) } as const)
      : ({ kind: 'value', value: done } as const)
    answerWith({ type: 'result', id, n, instance, token, result })
  })
  bus.subscribe('verdict.v1.call.*.*.*', ({ subject, payload, replyTo = '' }) => {
    const { request, message } = decodePacket(payload)
    if (message.type !== 'alone') return
    const to = answerSubject(replyTo, { kind: 'participant', participant: fourthToken(subject) })
    bus.publish(to, encodePacket({ request, message: decide(message) }))
  })
  const control = ({ subject, payload }: BusMessage): void => {
    const { message } = decodePacket(payload)
    const participant = participantName(subject.split('.')[4] ?? '')
    const answer = voteOn(message) ?? acknowledge(message)
    if (answer === undefined || !('id' in answer)) return
    bus.publish(under.vote(groupOf(answer.id), participant), encodePacket({ request: 0, message: answer }))
  }
  bus.subscribe('verdict.v1.ctl.*.*', control)
  bus.subscribe('verdict.v1.ctl.*.*.*', control)
}

function decide({ id, digest, operations = [] }: Alone): Message {
  const name = operations[0]?.name ?? 'called'
  const answer = name.startsWith('fail-')
    ? ({ kind: 'aborted', reason: refusal(name) } as const)
    : ({ kind: 'committed', results: operations.map(() => done) } as const)
  return { type: 'loneDecided', id, digest, instance, answer }
}

function voteOn(message: Message): Message | undefined {
  if (message.type !== 'prepare') return undefined
  const { id, digest, operations = [] } = message
  const name = operations[0]?.name ?? 'called'
  return name.startsWith('fail-')
    ? { type: 'vote', id, digest, vote: { kind: 'refused', instance, reason: refusal(name) } }
    : { type: 'vote', id, digest, vote: { kind: 'prepared', instance, token, durability: 'full', results: [done] } }
}

function acknowledge(message: Message): Message | undefined {
  if (message.type !== 'outcome') return undefined
  const { id, digest, outcome } = message
  return { type: 'ack', id, digest, instance, applied: outcome }
}

function refusal(code: string): Reason {
  return { code, message: 'No.', retryable: false }
}

function fourthToken(subject: string): ParticipantName {
  return participantName(subject.split('.')[3] ?? '')
}
