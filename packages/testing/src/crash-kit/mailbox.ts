/** Messages that arrived, until somebody takes them. */
export class Mailbox<M> {
  readonly #messages: M[] = []
  readonly #waiting = new Set<() => void>()

  push(message: M): void {
    this.#messages.push(message)
    for (const look of this.#waiting) look()
  }

  /** Takes the first message that fits, as soon as it is there. Undefined when none came in time, or `signal` said to stop. */
  take<T extends M>(
    fits: (message: M) => message is T,
    withinMs: number,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    return new Promise((resolve) => {
      const end = (message: T | undefined): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve(message)
      }
      const look = (): void => {
        const at = this.#messages.findIndex(fits)
        if (at >= 0) end(this.#messages.splice(at, 1)[0] as T)
      }
      const timer = setTimeout(() => end(undefined), withinMs)
      signal?.addEventListener('abort', () => end(undefined), { once: true })
      this.#waiting.add(look)
      look()
    })
  }
}
