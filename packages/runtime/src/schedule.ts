interface Entry<Key> {
  readonly atMs: number
  /** Counts the settings: of the same time the one that was set first comes first. */
  readonly order: number
  readonly key: Key
}

/** When each of many keys wants to be woken: a binary heap, in which outdated entries are skipped when they surface. */
export class Schedule<Key> {
  private readonly heap: Entry<Key>[] = []
  private order = 0
  private readonly wanted = new Map<Key, number>()

  /** Sets or moves the time of a key; `undefined` removes it. */
  set(key: Key, atMs: number | undefined): void {
    if (atMs === undefined) {
      this.wanted.delete(key)
      return
    }
    if (this.wanted.get(key) === atMs) return
    this.wanted.set(key, atMs)
    this.order += 1
    this.push({ atMs, order: this.order, key })
  }

  /** The earliest time that any key wants; undefined when none does. */
  nextMs(): number | undefined {
    this.dropOutdated()
    return this.heap[0]?.atMs
  }

  /** Removes and returns the keys whose time has come, at most `limit`, earliest first. */
  takeDue(nowMs: number, limit: number): Key[] {
    const due: Key[] = []
    while (due.length < limit) {
      this.dropOutdated()
      const first = this.heap[0]
      if (first === undefined || first.atMs > nowMs) break
      this.pop()
      this.wanted.delete(first.key)
      due.push(first.key)
    }
    return due
  }

  private dropOutdated(): void {
    let first = this.heap[0]
    while (first !== undefined && this.wanted.get(first.key) !== first.atMs) {
      this.pop()
      first = this.heap[0]
    }
  }

  private push(entry: Entry<Key>): void {
    const { heap } = this
    let place = heap.push(entry) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(entry, above)) break
      heap[place] = above
      place = parent
    }
    heap[place] = entry
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let place = 0
    for (;;) {
      const left = heap[2 * place + 1]
      const right = heap[2 * place + 2]
      if (left === undefined) break
      const [child, childPlace] =
        right !== undefined && isBefore(right, left) ? [right, 2 * place + 2] : [left, 2 * place + 1]
      if (!isBefore(child, last)) break
      heap[place] = child
      place = childPlace
    }
    heap[place] = last
  }
}

function isBefore(one: Entry<unknown>, other: Entry<unknown>): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}
