import {
  type Answer,
  decodePacket,
  encodePacket,
  type InboxToken,
  type Message,
  makeToken,
  namespace,
  type OwnerName,
  type Packet,
  type Subjects,
  subjects,
  type TransactionId,
} from '@verdict/protocol'
import type { DepartingMessage, SimulatedProcess, Simulation } from '@verdict/runtime/simulated'

/** The subjects that all roles of a stage use. */
export const under: Subjects = subjects(namespace())

type Kind = Message['type']

/** Messages by kind and by who sends them or is meant: `vote`, `vote from beta`, `outcome to beta`, `prepare from n1 to beta`. */
export type Phrase = Kind | `${Kind} ${'from' | 'to'} ${string}`

/** A message as it left. */
export interface Sent extends Packet {
  /** Name of the process that sent it. */
  readonly from: string
  readonly subject: string
  readonly replyTo: string | undefined
  readonly payload: Uint8Array
}

/** Messages that the script keeps back. */
export interface Held {
  readonly messages: readonly Sent[]
  /** Lets all of them arrive, in their order, and holds no more. */
  release(): void
  /** They are lost for good; no more are held. */
  drop(): void
}

type Matches = (sent: Sent) => boolean

/**
 * The wire between all processes, in the hand of a script: it holds, loses, doubles and forges single messages. Raft's own messages
 * are left alone: scripts crash and partition replicas instead.
 */
export class Wire {
  /** Everything that left, in its order. */
  readonly sent: Sent[] = []
  readonly #simulation: Simulation
  /** Sends what was held, doubled or forged. */
  readonly #hand: SimulatedProcess

  constructor(simulation: Simulation) {
    this.#simulation = simulation
    this.#hand = simulation.process('hand')
    this.#hand.start()
    simulation.network.observe((departing) => {
      const sent = this.#read(departing)
      if (sent !== undefined) this.sent.push(sent)
    })
  }

  /** Keeps back every such message from now on. */
  hold(phrase: Phrase, when: Matches = () => true): Held {
    const messages: Sent[] = []
    const end = this.#intercept(phrase, when, (sent) => messages.push(sent))
    return {
      messages,
      release: () => {
        end()
        for (const message of messages.splice(0)) this.again(message)
      },
      drop: end,
    }
  }

  /** Every such message is lost from now on. Returns what ends that. */
  lose(phrase: Phrase, when: Matches = () => true): () => void {
    return this.#intercept(phrase, when, () => {})
  }

  /** Those that left so far. */
  all(phrase: Phrase): Sent[] {
    return this.sent.filter(matcher(phrase))
  }

  /** The first one that left. */
  first(phrase: Phrase): Sent {
    const found = this.all(phrase)[0]
    if (found === undefined) throw new Error(`No ${phrase} has left yet.`)
    return found
  }

  /** The transaction that the first one is about. */
  idOf(phrase: Phrase): TransactionId {
    const { message } = this.first(phrase)
    if ('id' in message) return message.id
    throw new Error(`A ${message.type} is about no single transaction.`)
  }

  /** Whether any has left. */
  has(phrase: Phrase): boolean {
    return this.sent.some(matcher(phrase))
  }

  /** A copy of a message arrives now; on another subject, if one is named. */
  again({ subject, payload, replyTo }: Sent, elsewhere = subject): void {
    this.#hand.world.bus.publish(elsewhere, payload.slice(), replyTo === undefined ? {} : { replyTo })
  }

  /** Somebody says something, whether or not any role would. */
  say(subject: string, message: Message): void {
    this.#hand.world.bus.publish(subject, encodePacket({ request: 0, message }))
  }

  /** Somebody answers a request, whether or not it was asked. */
  tell(subject: string, message: Message, request: number): void {
    this.#hand.world.bus.publish(subject, encodePacket({ request, message }))
  }

  /** Somebody asks something in the name of an owner; the answers gather in what is returned. */
  ask(owner: string, subject: string, message: Message): Answer[] {
    const { bus, random } = this.#hand.world
    const token = makeToken<InboxToken>(random.bytes(12))
    const answers: Answer[] = []
    bus.subscribe(under.answers(owner as OwnerName, token), ({ payload }) => {
      answers.push(decodePacket(payload).message as Answer)
    })
    this.askFrom(under.inbox(owner as OwnerName, token), subject, message)
    return answers
  }

  /** Somebody asks something, and wants the answer to go to this inbox, whosever it is. */
  askFrom(inbox: string, subject: string, message: Message, request = 1): void {
    this.#hand.world.bus.publish(subject, encodePacket({ request, message }), { replyTo: inbox })
  }

  #intercept(phrase: Phrase, when: Matches, take: (sent: Sent) => void): () => void {
    const matches = matcher(phrase)
    return this.#simulation.network.intercept((departing) => {
      const sent = this.#read(departing)
      if (sent === undefined || !matches(sent) || !when(sent)) return 'pass'
      take(sent)
      return 'lose'
    })
  }

  #read({ from, subject, payload, replyTo }: DepartingMessage): Sent | undefined {
    if (from === this.#hand.name || subject.includes('.raft.')) return undefined
    return { from, subject, replyTo, payload, ...decodePacket(payload) }
  }
}

function matcher(phrase: Phrase): Matches {
  const [kind, ...rest] = phrase.split(' ')
  const named = (word: string): string | undefined => (rest.includes(word) ? rest[rest.indexOf(word) + 1] : undefined)
  const from = named('from')
  const to = named('to')
  return ({ message, from: sender, subject }) =>
    message.type === kind &&
    (from === undefined || sender === from || sender.startsWith(`${from}-`)) &&
    (to === undefined || subject.split('.').includes(to))
}
