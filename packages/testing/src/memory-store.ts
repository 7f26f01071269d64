import type { Entry, LogIndex, LogStore, StoreBatch, StoredState, Term } from '@verdict/raft'

/** The store of a replica that lives no longer than its process: for tests alone. */
export class MemoryStore implements LogStore {
  state: StoredState = { hardState: { term: 0 as Term, votedFor: undefined }, appliedIndex: 0 as LogIndex }
  readonly #entries: Entry[] = []
  readonly #space = new Map<string, Uint8Array>()

  get lastIndex(): LogIndex {
    return this.#entries.length as LogIndex
  }

  read(from: LogIndex, maxEntries: number, maxBytes: number): readonly Entry[] {
    const entries: Entry[] = []
    let bytes = 0
    for (const entry of this.#entries.slice(from - 1, from - 1 + maxEntries)) {
      bytes += entry.command.length
      if (entries.length > 0 && bytes > maxBytes) break
      entries.push(entry)
    }
    return entries
  }

  get(key: string): Uint8Array | undefined {
    return this.#space.get(key)
  }

  list(prefix: string, limit: number, after = ''): readonly (readonly [key: string, value: Uint8Array])[] {
    const found = [...this.#space].filter(([key]) => key.startsWith(prefix) && key > after)
    return found.toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit)
  }

  async write({ hardState, appliedIndex, entries, changes }: StoreBatch): Promise<void> {
    const [first] = entries
    if (first) this.#entries.splice(first.index - 1, Number.POSITIVE_INFINITY, ...entries)
    for (const [key, value] of changes) {
      if (value) this.#space.set(key, value)
      else this.#space.delete(key)
    }
    this.state = { hardState, appliedIndex }
  }

  async close(): Promise<void> {}
}
