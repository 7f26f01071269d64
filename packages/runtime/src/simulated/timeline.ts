/** On whose behalf something happens: one life of a process. What a dead one waited for never happens. */
export interface Life {
  readonly alive: boolean
  /** While set, what happens to the process is kept here instead, in order. */
  readonly held: Occurrence[] | undefined
}

/** Something that is going to happen at a moment of virtual time. */
export interface Occurrence {
  atMs: number
  sequence: number
  readonly life: Life | undefined
  /** Undefined once it was called off. */
  action: (() => void) | undefined
}

/** Called-off occurrences that may lie around before the queue is cleaned: cleaning costs one pass over all. */
const maxDebris = 4096

/** What is going to happen, by virtual time, and in the order of planning where times are equal. A binary heap. */
export class Timeline {
  #nowMs = 0
  #sequence = 0
  #debris = 0
  #heap: Occurrence[] = []

  /** Virtual milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Time of the next occurrence, undefined when nothing is planned. */
  get nextMs(): number | undefined {
    this.#dropDebris()
    return this.#heap[0]?.atMs
  }

  /** Plans `action` for `delayMs` from now; it never happens once `life` has ended. */
  plan(delayMs: number, life: Life | undefined, action: () => void): Occurrence {
    const occurrence = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, life, action }
    this.#push(occurrence)
    return occurrence
  }

  /** Calls an occurrence off. Harmless once it has happened. */
  cancel(occurrence: Occurrence): void {
    if (occurrence.action === undefined) return
    occurrence.action = undefined
    if (++this.#debris > maxDebris && this.#debris > this.#heap.length / 2) this.#clean()
  }

  /** Lets occurrences that were held back happen now, in their order. */
  release(held: readonly Occurrence[]): void {
    for (const occurrence of held) {
      occurrence.atMs = this.#nowMs
      occurrence.sequence = this.#sequence++
      this.#push(occurrence)
    }
  }

  /** Lets the next occurrence happen and moves the time there. Returns false when nothing is planned. */
  step(): boolean {
    this.#dropDebris()
    const next = this.#pop()
    if (next?.action === undefined) return false
    this.#nowMs = next.atMs
    const { action } = next
    next.action = undefined
    action()
    return true
  }

  /** Moves the time on over a stretch in which nothing happens. */
  advanceTo(ms: number): void {
    if (ms > this.#nowMs) this.#nowMs = ms
  }

  /** Clears the way to the next occurrence: off with those of the dead and the called-off, aside with those of the held. */
  #dropDebris(): void {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined) return
      const { action, life } = first
      const isDead = life !== undefined && !life.alive
      const isDue = action !== undefined && !isDead && life?.held === undefined
      if (isDue) return
      this.#pop()
      if (action === undefined) this.#debris = Math.max(0, this.#debris - 1)
      else if (!isDead) life?.held?.push(first)
    }
  }

  #clean(): void {
    const kept = this.#heap.filter((occurrence) => occurrence.action !== undefined)
    this.#heap = []
    this.#debris = 0
    for (const occurrence of kept) this.#push(occurrence)
  }

  #push(occurrence: Occurrence): void {
    const heap = this.#heap
    let place = heap.length
    heap.push(occurrence)
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = heap[parent] as Occurrence
      if (isBefore(above, occurrence)) break
      heap[place] = above
      place = parent
    }
    heap[place] = occurrence
  }

  #pop(): Occurrence | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && isBefore(right, heap[child] as Occurrence)) child++
      const below = heap[child] as Occurrence
      if (isBefore(last, below)) break
      heap[place] = below
      place = child
    }
    heap[place] = last
    return first
  }
}

function isBefore(one: Occurrence, other: Occurrence): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.sequence < other.sequence)
}
