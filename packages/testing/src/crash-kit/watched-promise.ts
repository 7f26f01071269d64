/** A promise, and whether anybody ever waited for it. */
export interface WatchedPromise {
  readonly promise: Promise<unknown>
  readonly isAwaited: boolean
}

const waiting: ReadonlySet<PropertyKey> = new Set(['then', 'catch', 'finally'])

/** Watches whether a promise is awaited. Nobody has to handle its rejection. */
export function watchPromise(given: Promise<unknown>): WatchedPromise {
  const watched = {
    isAwaited: false,
    // To `await` this is no promise of the language's own, so that it asks for `then` as everybody else does.
    promise: new Proxy(given, {
      get(target, name) {
        if (waiting.has(name)) watched.isAwaited = true
        const own: unknown = Reflect.get(target, name, target)
        return typeof own === 'function' ? own.bind(target) : own
      },
    }),
  }
  given.catch(() => undefined)
  return watched
}
