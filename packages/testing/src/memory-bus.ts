import { AsyncResource } from 'node:async_hooks'
import {
  type Bus,
  type BusMessage,
  PayloadTooLargeError,
  type PublishOptions,
  type SubscribeOptions,
  type Subscription,
} from '@verdict/runtime'

/** The longest interval that timers know. */
const maxIntervalMs = 2 ** 31 - 1

const maxPayloadBytes = 1024 * 1024 // as NATS servers have it by default, so that a test meets the same limit

interface Interest {
  readonly tokens: readonly string[]
  readonly queue: string | undefined
  readonly handler: (message: BusMessage) => void
}

/**
 * A bus inside one process: subjects, wildcards, queue groups and "no responders" as NATS has them, and nothing is ever lost.
 * Messages are delivered in their order, in a later turn of the event loop, never inside `publish`, and in the asynchronous context
 * of whoever subscribed: a trace that is active at the publisher reaches nobody else, as over a network.
 */
export class MemoryBus implements Bus {
  readonly maxPayloadBytes: number = maxPayloadBytes
  readonly #interests = new Set<Interest>()
  /** An open bus keeps the process alive, as an open connection does. */
  readonly #alive = setInterval(() => undefined, maxIntervalMs)
  #departing: (() => void)[] = []
  #turn = 0
  #isClosed = false

  publish(subject: string, payload: Uint8Array, { replyTo, onNoResponders }: PublishOptions = {}): void {
    if (payload.length > maxPayloadBytes) throw new PayloadTooLargeError(subject, payload.length, maxPayloadBytes)
    if (this.#isClosed) return
    const bytes = payload.slice() // the publisher may reuse its buffer
    const unheard = onNoResponders && AsyncResource.bind(onNoResponders)
    this.#later(() => {
      const reached = this.#receivers(subject)
      if (reached.length === 0) unheard?.()
      for (const { handler } of reached) handler({ subject, payload: bytes.slice(), replyTo })
    })
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, { queue }: SubscribeOptions = {}): Subscription {
    const interest: Interest = { tokens: subject.split('.'), queue, handler: AsyncResource.bind(handler) }
    if (!this.#isClosed) this.#interests.add(interest)
    return { unsubscribe: () => void this.#interests.delete(interest) }
  }

  flush(): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Error('The bus is closed.'))
    return new Promise((resolve) => this.#later(resolve))
  }

  async close(): Promise<void> {
    if (!this.#isClosed) await this.flush()
    this.#isClosed = true
    clearInterval(this.#alive)
    this.#interests.clear()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Everybody without a queue group, and one member of each group in turn. */
  #receivers(subject: string): readonly Interest[] {
    const tokens = subject.split('.')
    const reached = [...this.#interests].filter((interest) => matches(interest.tokens, tokens))
    const groups = Map.groupBy(reached, ({ queue }) => queue)
    this.#turn += 1
    return [...groups].flatMap(([queue, members]) =>
      queue === undefined ? members : members.slice(this.#turn % members.length, (this.#turn % members.length) + 1),
    )
  }

  #later(action: () => void): void {
    this.#departing.push(action)
    if (this.#departing.length > 1) return
    setImmediate(() => {
      const actions = this.#departing
      this.#departing = []
      for (const act of actions) act()
    })
  }
}

/** Whether a subscription (`*` for one token, a last `>` for one or more) hears a subject. */
function matches(filter: readonly string[], subject: readonly string[]): boolean {
  const isOpenEnded = filter.at(-1) === '>'
  if (isOpenEnded ? subject.length < filter.length : subject.length !== filter.length) return false
  return filter.every((token, place) => token === '*' || token === '>' || token === subject[place])
}
