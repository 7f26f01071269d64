import type { Bus, BusMessage, PublishOptions, SubscribeOptions, Subscription } from '@verdict/runtime'

/** One process's way onto a bus that others share. Cut, it neither says nor hears anything any more. */
export class CutBus implements Bus {
  readonly maxPayloadBytes: number
  readonly #shared: Bus
  readonly #subscriptions: Subscription[] = []
  #isCut = false

  constructor(shared: Bus) {
    this.#shared = shared
    this.maxPayloadBytes = shared.maxPayloadBytes
  }

  cut(): void {
    this.#isCut = true
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
  }

  publish(subject: string, payload: Uint8Array, options?: PublishOptions): void {
    if (!this.#isCut) this.#shared.publish(subject, payload, options)
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, options?: SubscribeOptions): Subscription {
    const subscription = this.#shared.subscribe(subject, handler, options)
    this.#subscriptions.push(subscription)
    return subscription
  }

  flush(): Promise<void> {
    return this.#shared.flush()
  }

  /** The bus belongs to all. */
  async close(): Promise<void> {
    this.cut()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
