import {
  type Answer,
  type Answerer,
  decodePacket,
  encodePacket,
  type InboxToken,
  type Message,
  makeToken,
  type Namespace,
  type OwnerName,
  type Request,
  readAnswerer,
  type Subjects,
  subjects,
  WireError,
} from '@verdict/protocol'
import type { BusMessage, Subscription, World } from '@verdict/runtime'
import { CommandError } from './exit.ts'

/** The same question goes out again after this long: messages are lost, and a new leader hears only what comes after its election. */
const resendMs = 300

/** A replica, as the subject of its answers names it. */
type AnsweringReplica = Extract<Answerer, { kind: 'replica' }>

export interface Answered<T extends Answer['type']> {
  readonly by: AnsweringReplica
  readonly message: Extract<Answer, { type: T }>
}

export interface Question<T extends Answer['type']> {
  readonly subject: string
  readonly message: Request
  /** The type of the answer that is expected. */
  readonly answer: T
  /** Whether this replica may answer it: others are not believed (rule R15). */
  readonly from: (replica: AnsweringReplica) => boolean
  readonly timeoutMs: number
}

interface Waiting {
  readonly answered: (by: AnsweringReplica, message: Message) => void
}

/** Asks replicas what may be asked again at will: it changes nothing, or twice no more than once. One inbox serves all of it. */
export class Asker {
  readonly subjects: Subjects
  readonly owner: OwnerName
  private readonly world: World
  private readonly inbox: string
  private readonly subscription: Subscription
  private readonly waiting = new Map<number, Waiting>()
  private lastRequest = 0

  constructor(world: World, namespace: Namespace, owner: OwnerName) {
    this.world = world
    this.owner = owner
    this.subjects = subjects(namespace)
    const token = makeToken<InboxToken>(world.random.bytes(12))
    this.inbox = this.subjects.inbox(owner, token)
    this.subscription = world.bus.subscribe(this.subjects.answers(owner, token), (message) => this.received(message))
  }

  /**
   * Asks until somebody who may answer does; undefined when nobody did in time.
   * @throws CommandError when the answer is that the question cannot be read.
   */
  ask<T extends Answer['type']>(question: Question<T>): Promise<Answered<T> | undefined> {
    const { subject, message, answer, from, timeoutMs } = question
    const { bus, clock } = this.world
    this.lastRequest += 1
    const request = this.lastRequest
    const packet = encodePacket({ request, message })
    const { promise, resolve, reject } = Promise.withResolvers<Answered<T> | undefined>()
    const send = (): void => {
      bus.publish(subject, packet, { replyTo: this.inbox })
      resending = clock.after(resendMs, send)
    }
    let resending = clock.after(0, send)
    const timeout = clock.after(timeoutMs, () => resolve(undefined))
    this.waiting.set(request, {
      answered: (by, told) => {
        if (!from(by)) return
        if (told.type === 'failure') reject(new CommandError('failure', `${by.replica} answered: ${told.message}`))
        else if (isOf(told, answer)) resolve({ by, message: told })
      },
    })
    return promise.finally(() => {
      resending.cancel()
      timeout.cancel()
      this.waiting.delete(request)
    })
  }

  close(): void {
    this.subscription.unsubscribe()
  }

  private received({ subject, payload }: BusMessage): void {
    const by = readAnswerer(subject)
    if (by?.kind !== 'replica') return
    try {
      const { request, message } = decodePacket(payload)
      this.waiting.get(request)?.answered(by, message)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
    }
  }
}

function isOf<T extends Answer['type']>(message: Message, type: T): message is Extract<Answer, { type: T }> {
  return message.type === type
}
