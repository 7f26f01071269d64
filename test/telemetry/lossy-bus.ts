import { decodePacket, type Message } from '@verdict/protocol'
import type { Bus, BusMessage, PublishOptions, SubscribeOptions, Subscription } from '@verdict/runtime'
import { MemoryBus } from '../../packages/testing/src/memory-bus.ts'

type Type = Message['type']

export interface Some {
  readonly type: Type
  /** Only what is to or from this participant. */
  readonly of?: string
}

export interface Loss extends Some {
  /** Only after so many came through. */
  readonly after?: number
  /** Only so many. */
  readonly times?: number
}

interface Held {
  readonly what: Some
  readonly until: Some
  readonly packets: (() => void)[]
}

/** A bus in this process that loses, doubles and holds back what it is told to. */
export class LossyBus implements Bus {
  readonly #bus = new MemoryBus()
  readonly maxPayloadBytes: number = this.#bus.maxPayloadBytes
  #losses: { readonly loss: Loss; came: number }[] = []
  #held: Held | undefined
  #doubled: Type | undefined
  readonly #lost = new Map<Type, number>()

  /** Loses such messages from now on, and no others. */
  lose(...losses: readonly Loss[]): void {
    this.#losses = losses.map((loss) => ({ loss, came: 0 }))
    this.#lost.clear()
  }

  /** How many messages of a type were lost since it was last told which. */
  lost(type: Type): number {
    return this.#lost.get(type) ?? 0
  }

  /** Delivers messages of a type twice, in the same turn of the event loop. */
  double(type: Type): void {
    this.#doubled = type
  }

  /** Holds such messages back until another one was sent. */
  hold(what: Some, until: Some): void {
    this.#held = { what, until, packets: [] }
  }

  publish(subject: string, payload: Uint8Array, options?: PublishOptions): void {
    const send = (): void => this.#bus.publish(subject, payload, options)
    if (subject.includes('.raft.')) {
      send()
      return
    }
    const { type } = decodePacket(payload).message
    const participant = subject.split('.')[4]
    const isIn = (some: Some): boolean => some.type === type && (some.of === undefined || some.of === participant)
    if (this.#isLost(isIn)) this.#lost.set(type, this.lost(type) + 1)
    else if (this.#held !== undefined && isIn(this.#held.what)) this.#held.packets.push(send)
    else {
      send()
      if (this.#held !== undefined && isIn(this.#held.until)) this.#release()
    }
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, options?: SubscribeOptions): Subscription {
    const deliver = (message: BusMessage): void => {
      handler(message)
      if (this.#doubled !== undefined && decodePacket(message.payload).message.type === this.#doubled) handler(message)
    }
    return this.#bus.subscribe(subject, subject.includes('.raft.') ? handler : deliver, options)
  }

  flush(): Promise<void> {
    return this.#bus.flush()
  }

  close(): Promise<void> {
    return this.#bus.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #isLost(isIn: (some: Some) => boolean): boolean {
    const found = this.#losses.find(({ loss }) => isIn(loss))
    if (found === undefined) return false
    const { after = 0, times = Number.POSITIVE_INFINITY } = found.loss
    found.came += 1
    return found.came > after && found.came <= after + times
  }

  #release(): void {
    const packets = this.#held?.packets ?? []
    this.#held = undefined
    for (const send of packets) send()
  }
}
