import {
  decodePacket,
  type Epoch,
  encodePacket,
  encodePayload,
  type GroupId,
  groupId,
  groupName,
  type InboxToken,
  type Message,
  makeIncarnation,
  makeToken,
  namespace,
  ownerName,
  type ParticipantName,
  participantName,
  subjects,
} from '@verdict/protocol'
import { type Bus, systemRandom } from '@verdict/runtime'
import { Mailbox } from './mailbox.ts'
import { type Line, ScriptedTransaction, type ScriptNames } from './scripted-transaction.ts'

const of = subjects(namespace())
const names: ScriptNames = {
  owner: ownerName('crash-kit'),
  group: groupName('crash-kit'),
  incarnation: makeIncarnation(systemRandom.bytes(8)),
  epoch: 1 as Epoch,
}
const decidingGroup: GroupId = groupId(names.group, names.incarnation)

export interface ScriptedCall {
  readonly operation: string
  readonly input: unknown
}

/** The other side of the protocol, which says what the script says: a client, and the group that decides. */
export class Director {
  readonly #bus: Bus
  readonly #participant: ParticipantName
  readonly #call: ScriptedCall
  readonly #inbox = of.inbox(names.owner, makeToken<InboxToken>(systemRandom.bytes(12)))
  readonly #answers = new Mailbox<Message>()
  readonly #words = new Mailbox<Message>()

  constructor(bus: Bus, participant: string, call: ScriptedCall) {
    this.#bus = bus
    this.#participant = participantName(participant)
    this.#call = call
    const inbox = this.#inbox.slice(this.#inbox.lastIndexOf('.') + 1) as InboxToken
    bus.subscribe(of.answers(names.owner, inbox), ({ payload }) => this.#answers.push(decodePacket(payload).message))
    bus.subscribe(of.vote(decidingGroup, '*'), ({ payload }) => this.#words.push(decodePacket(payload).message))
  }

  /** A new transaction; a lone one has no other participant, and no group. */
  begin(isLone = false): ScriptedTransaction {
    const line: Line = {
      names,
      subjects: of,
      participant: this.#participant,
      operation: {
        name: this.#call.operation,
        args: encodePayload(this.#call.input, `The input of ${this.#participant}.${this.#call.operation}`),
      },
      answers: this.#answers,
      words: this.#words,
      ask: (subject, message) => this.#publish(subject, message, this.#inbox),
      tell: (message, to) => {
        const toAny = of.control(decidingGroup, this.#participant)
        this.#publish(to === undefined ? toAny : of.controlInstance(decidingGroup, this.#participant, to), message)
      },
    }
    return new ScriptedTransaction(line, isLone)
  }

  #publish(subject: string, message: Message, replyTo?: string): void {
    const packet = encodePacket({ request: 1, message })
    this.#bus.publish(subject, packet, replyTo === undefined ? {} : { replyTo })
  }
}
