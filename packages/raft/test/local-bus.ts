import type { Bus, BusMessage } from '@verdict/runtime'

/** Carries messages within this process, each on a later turn of the event loop. */
export class LocalBus {
  readonly #handlers = new Map<string, (message: BusMessage) => void>()

  /** The bus as a replica sees it: it subscribes to everything that ends in its own id. */
  bus(): Bus {
    return {
      maxPayloadBytes: 1024 * 1024,
      publish: (subject, payload) => {
        const to = subject.split('.').at(-1) ?? ''
        setImmediate(() => this.#handlers.get(to)?.({ subject, payload, replyTo: undefined }))
      },
      subscribe: (subject, handler) => {
        const to = subject.split('.').at(-1) ?? ''
        this.#handlers.set(to, handler)
        return { unsubscribe: () => this.#handlers.delete(to) }
      },
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
  }
}
