import { decodePacket, type Message } from '@verdict/protocol'
import type { Bus, BusMessage, PublishOptions, SubscribeOptions, Subscription } from '@verdict/runtime'
import { MemoryBus } from '../../packages/testing/src/memory-bus.ts'

export interface Loss {
  readonly type: Message['type']
  /** Only what is to or from this participant. */
  readonly of?: string
  /** Only the first ones. */
  readonly times?: number
}

/** A bus in this process that loses what it is told to lose. */
export class LossyBus implements Bus {
  readonly #bus = new MemoryBus()
  readonly maxPayloadBytes: number = this.#bus.maxPayloadBytes
  #losses: readonly Loss[] = []
  readonly #lost = new Map<Loss, number>()

  /** Loses such messages from now on, and no others. */
  lose(...losses: readonly Loss[]): void {
    this.#losses = losses
    this.#lost.clear()
  }

  /** How many messages were lost since it was last told which. */
  get lost(): number {
    return [...this.#lost.values()].reduce((sum, count) => sum + count, 0)
  }

  publish(subject: string, payload: Uint8Array, options?: PublishOptions): void {
    const loss = subject.includes('.raft.') ? undefined : this.#lossOf(subject, decodePacket(payload).message)
    if (loss === undefined) this.#bus.publish(subject, payload, options)
    else this.#lost.set(loss, (this.#lost.get(loss) ?? 0) + 1)
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, options?: SubscribeOptions): Subscription {
    return this.#bus.subscribe(subject, handler, options)
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

  #lossOf(subject: string, { type }: Message): Loss | undefined {
    const participant = subject.split('.')[4]
    return this.#losses.find(
      (loss) =>
        loss.type === type &&
        (loss.of === undefined || loss.of === participant) &&
        (this.#lost.get(loss) ?? 0) < (loss.times ?? Number.POSITIVE_INFINITY),
    )
  }
}
