import type { Bus, BusMessage, PublishOptions, SubscribeOptions, Subscription } from '@verdict/runtime'

/** One process's way onto a bus that others share. Cut, it says nothing any more. */
export class CutBus implements Bus {
  readonly maxPayloadBytes: number
  readonly #shared: Bus
  #isCut = false

  constructor(shared: Bus) {
    this.#shared = shared
    this.maxPayloadBytes = shared.maxPayloadBytes
  }

  cut(): void {
    this.#isCut = true
  }

  publish(subject: string, payload: Uint8Array, options?: PublishOptions): void {
    if (!this.#isCut) this.#shared.publish(subject, payload, options)
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, options?: SubscribeOptions): Subscription {
    return this.#shared.subscribe(subject, handler, options)
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
