/** Parcels whose "no responders" may still come: it comes within one round trip to the server or never. */
const maxParcels = 4096

/** Reply subjects that are listened to. A role has one or two inboxes. */
const maxReplySubjects = 256

/**
 * Who wants to know that nobody listened. The server says so on the reply subject, without telling which message it means;
 * therefore each parcel has a reply subject of its own, the plain one with a counter behind.
 */
export class NoResponders {
  readonly #listen: (filter: string) => () => void
  readonly #parcels = new Map<string, readonly (() => void)[]>()
  readonly #subscriptions = new Map<string, () => void>()
  #count = 0

  /** @param listen subscribes to a filter, passes what comes to `notice`, and returns what ends that */
  constructor(listen: (filter: string) => () => void) {
    this.#listen = listen
  }

  /** Returns the counted reply subject for a parcel. */
  expect(replyTo: string, callbacks: readonly (() => void)[]): string {
    if (!this.#subscriptions.has(replyTo)) {
      this.#subscriptions.set(replyTo, this.#listen(`${replyTo}.*`))
      removeOldest(this.#subscriptions, maxReplySubjects)?.()
    }
    const counted = `${replyTo}.${++this.#count}`
    this.#parcels.set(counted, callbacks)
    removeOldest(this.#parcels, maxParcels)
    return counted
  }

  /** The server said on `counted` that nobody listened: returns the callbacks of that parcel, the first time. */
  notice(counted: string): readonly (() => void)[] {
    const callbacks = this.#parcels.get(counted) ?? []
    this.#parcels.delete(counted)
    return callbacks
  }
}

function removeOldest<Value>(table: Map<string, Value>, limit: number): Value | undefined {
  if (table.size <= limit) return undefined
  const oldest = table.entries().next()
  if (oldest.done) return undefined
  table.delete(oldest.value[0])
  return oldest.value[1]
}
