import {
  type Answer,
  type Answerer,
  decodePacket,
  encodePacket,
  type InboxToken,
  makeToken,
  type OwnerName,
  type Request,
  readAnswerer,
  type Subjects,
  WireError,
} from '@verdict/protocol'
import type { Bus, BusMessage, Subscription, World } from '@verdict/runtime'
import { ClientError } from './errors.ts'
import type { ClientMetering } from './metering.ts'

/** Requests of one client that wait for an answer at a time. Each holds a timer and its message. */
const maxOpenRequests = 16_384
const maxRequestNumber = 2 ** 32 - 1

/** What a client counts of the answers that it could not use. */
export interface AnswerCounters {
  /** Could not be read. */
  malformed: number
  /** Came from somebody who was not asked, or do not answer what was asked. */
  foreign: number
  /** Nobody waits for them any more: late or doubled. */
  late: number
}

/** Who is told of answers besides those who asked. */
export interface AnswerListeners {
  /** An answer to its request. */
  readonly heard: (answerer: Answerer, message: Answer) => void
  /** An answer that nobody waits for any more. */
  readonly late: (answerer: Answerer, message: Answer) => void
}

/** Takes an answer; returns false when it is none to its request. */
export type Receiver = (answerer: Answerer, message: Answer) => boolean

/** The one subscription on which all answers to a client arrive, and the table of the requests that wait for them. */
export class Inbox {
  readonly counters: AnswerCounters = { malformed: 0, foreign: 0, late: 0 }
  private readonly bus: Bus
  private readonly subject: string
  private readonly subscription: Subscription
  private readonly waiting = new Map<number, Receiver>()
  private readonly listeners: AnswerListeners
  private readonly metering: ClientMetering
  private last = 0

  constructor(
    { bus, random }: World,
    subjects: Subjects,
    owner: OwnerName,
    listeners: AnswerListeners,
    metering: ClientMetering,
  ) {
    const token = makeToken<InboxToken>(random.bytes(12))
    this.bus = bus
    this.listeners = listeners
    this.metering = metering
    this.subject = subjects.inbox(owner, token)
    this.subscription = bus.subscribe(subjects.answers(owner, token), (message) => this.receive(message))
  }

  /** Opens a request under a number of its own. @throws ClientError `overloaded` */
  open(receiver: Receiver): number {
    if (this.waiting.size >= maxOpenRequests) {
      throw new ClientError(
        'overloaded',
        `${maxOpenRequests} requests of this client wait for answers already. Begin fewer transactions at a time.`,
        'maxOpenRequests',
      )
    }
    do this.last = this.last === maxRequestNumber ? 1 : this.last + 1
    while (this.waiting.has(this.last))
    this.waiting.set(this.last, receiver)
    this.metering.requestOpened()
    return this.last
  }

  send(request: number, subject: string, message: Request, onNoResponders: () => void): void {
    this.bus.publish(subject, encodePacket({ request, message }), { replyTo: this.subject, onNoResponders })
  }

  /** Sends what nobody answers. */
  tell(subject: string, message: Request): void {
    this.bus.publish(subject, encodePacket({ request: 0, message }))
  }

  /** Ends a request: answers that still come are late. */
  close(request: number): void {
    if (this.waiting.delete(request)) this.metering.requestClosed()
  }

  stop(): void {
    this.subscription.unsubscribe()
  }

  private receive({ subject, payload }: BusMessage): void {
    const answerer = readAnswerer(subject)
    if (answerer === undefined) {
      this.counters.malformed += 1
      return
    }
    const packet = this.read(payload)
    if (packet === undefined) return
    const { request, message } = packet
    const receiver = this.waiting.get(request)
    if (receiver === undefined) {
      this.counters.late += 1
      this.listeners.late(answerer, message)
    } else if (receiver(answerer, message)) {
      this.listeners.heard(answerer, message)
    } else {
      this.counters.foreign += 1
    }
  }

  private read(payload: Uint8Array): { request: number; message: Answer } | undefined {
    try {
      const { request, message } = decodePacket(payload)
      if (isAnswer(message)) return { request, message }
      this.counters.foreign += 1
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.counters.malformed += 1
    }
    return undefined
  }
}

function isAnswer(message: { readonly type: string }): message is Answer {
  const answers: readonly string[] = [
    'welcome',
    'result',
    'loneDecided',
    'decided',
    'looked',
    'statusReport',
    'failure',
  ]
  return answers.includes(message.type)
}
