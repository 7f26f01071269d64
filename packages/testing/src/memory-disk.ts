import type { Disk, SimulatedDisk } from '@verdict/runtime/simulated'

/** A disk that lives no longer than its process: for tests alone. */
export class MemoryDisk implements Disk, Pick<SimulatedDisk, 'name' | 'snapshot' | 'restore'> {
  readonly name = 'memory'
  #contents = new Map<string, Uint8Array>()

  get(key: string): Uint8Array | undefined {
    return this.#contents.get(key)
  }

  list(prefix = ''): readonly (readonly [key: string, value: Uint8Array])[] {
    const found = [...this.#contents].filter(([key]) => key.startsWith(prefix))
    return found.toSorted(([a], [b]) => (a < b ? -1 : 1))
  }

  async commit(changes: ReadonlyMap<string, Uint8Array | undefined>): Promise<void> {
    for (const [key, value] of changes) {
      if (value === undefined) this.#contents.delete(key)
      else this.#contents.set(key, value)
    }
  }

  snapshot(): ReadonlyMap<string, Uint8Array> {
    return this.#contents
  }

  restore(contents: ReadonlyMap<string, Uint8Array>): void {
    this.#contents = new Map(contents)
  }
}
