/** Holds orders back, so that each disaster meets orders in flight however fast the others were placed. */
export class Gate {
  #upTo = 0
  readonly #waiting: { readonly position: number; readonly resolve: () => void }[] = []

  /** Lets orders pass whose position in the file is below `upTo`. */
  open(upTo: number): void {
    this.#upTo = Math.max(this.#upTo, upTo)
    for (const { resolve } of this.#waiting.filter(({ position }) => position < this.#upTo)) resolve()
    const held = this.#waiting.filter(({ position }) => position >= this.#upTo)
    this.#waiting.splice(0, this.#waiting.length, ...held)
  }

  /** Resolves when the order at this position may be placed. */
  async pass(position: number): Promise<void> {
    if (position < this.#upTo) return
    await new Promise<void>((resolve) => this.#waiting.push({ position, resolve }))
  }
}
