import type { SubscribeOptions, Subscription } from '../bus.ts'
import { type Bus, type BusMessage, PayloadTooLargeError, type PublishOptions } from '../bus.ts'
import { assertPublish } from '../publish.ts'
import type { SimulatedNetwork, Station } from './network.ts'
import type { Timeline } from './timeline.ts'

/** The bus of one life of a process. */
export class SimulatedBus implements Bus {
  readonly #network: SimulatedNetwork
  readonly #timeline: Timeline
  readonly #station: Station
  #closed = false

  constructor(network: SimulatedNetwork, timeline: Timeline, station: Station) {
    this.#network = network
    this.#timeline = timeline
    this.#station = station
  }

  get maxPayloadBytes(): number {
    return this.#network.maxPayloadBytes
  }

  publish(subject: string, payload: Uint8Array, options: PublishOptions = {}): void {
    assertPublish(subject, options)
    if (payload.length > this.maxPayloadBytes) {
      throw new PayloadTooLargeError(subject, payload.length, this.maxPayloadBytes)
    }
    if (this.#closed || !this.#station.life.alive) return
    const { replyTo, onNoResponders } = options
    this.#network.carry(this.#station, {
      subject,
      payload,
      replyTo,
      onNoResponders: onNoResponders && (() => this.#closed || onNoResponders()),
    })
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, options?: SubscribeOptions): Subscription {
    if (this.#closed || !this.#station.life.alive) return { unsubscribe: () => {} }
    return this.#network.subscribe(this.#station, subject, handler, options)
  }

  flush(): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('The bus is closed: nothing can be flushed any more.'))
    return new Promise((resolve) => {
      this.#timeline.plan(this.#network.drawDelayMs(), this.#station.life, resolve)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#network.leave(this.#station.life)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
