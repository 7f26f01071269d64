import type { SeededRandom } from './random.ts'
import type { Life, Timeline } from './timeline.ts'
import type { Trace } from './trace.ts'

/** What one commit changes: a value for a key, or undefined to remove it. */
export type DiskChanges = ReadonlyMap<string, Uint8Array | undefined>

/** A disk as a process sees it: a store of keys whose commits are atomic and durable once their promise resolves. */
export interface Disk {
  /** The durable value of a key; undefined when there is none. Changes under way are not seen. */
  get(key: string): Uint8Array | undefined
  /** Durable entries whose keys begin with `prefix`, in the order of keys. */
  list(prefix?: string): readonly (readonly [key: string, value: Uint8Array])[]
  /**
   * Makes the changes durable, all or none, after those of earlier calls. Resolves when they are. When the process dies before,
   * they may have happened or not.
   */
  commit(changes: DiskChanges): Promise<void>
}

export interface DiskConditions {
  /** Time of one flush: drawn evenly between the two. Commits that wait meanwhile share the next one. */
  minFlushMs: number
  maxFlushMs: number
}

interface Batch {
  readonly changes: DiskChanges
  readonly life: Life
  readonly resolve: () => void
}

/** What stays when the process dies: durable contents, and how slow the device is. */
export class SimulatedDisk {
  readonly name: string
  readonly conditions: DiskConditions = { minFlushMs: 0.1, maxFlushMs: 0.5 }
  readonly #timeline: Timeline
  readonly #random: SeededRandom
  readonly #trace: Trace
  #contents = new Map<string, Uint8Array>()
  #underWay: readonly Batch[] = []
  #waiting: Batch[] = []

  constructor(name: string, timeline: Timeline, random: SeededRandom, trace: Trace) {
    this.name = name
    this.#timeline = timeline
    this.#random = random
    this.#trace = trace
  }

  /** Durable contents, for a test to look at. */
  get contents(): ReadonlyMap<string, Uint8Array> {
    return this.#contents
  }

  /** Loses everything, as a replaced device does. */
  wipe(): void {
    this.crash()
    this.#contents = new Map()
  }

  /** A copy of the durable contents, for `restore`: an older state comes back. */
  snapshot(): ReadonlyMap<string, Uint8Array> {
    return new Map(this.#contents)
  }

  restore(snapshot: ReadonlyMap<string, Uint8Array>): void {
    this.crash()
    this.#contents = new Map(snapshot)
  }

  /** The disk for one life of a process. */
  open(life: Life): Disk {
    return {
      get: (key) => this.#contents.get(key)?.slice(),
      list: (prefix = '') => this.#list(prefix),
      commit: (changes) => new Promise((resolve) => this.#enqueue({ changes: copyOf(changes), life, resolve })),
    }
  }

  /**
   * The power goes, or the process that writes is killed: of the commits that are being flushed some first ones are durable, in
   * order, the others and all that waited are lost.
   */
  crash(): void {
    const landed = this.#random.integer(0, this.#underWay.length)
    for (const batch of this.#underWay.slice(0, landed)) this.#apply(batch.changes)
    this.#underWay = []
    this.#waiting = []
  }

  #list(prefix: string): readonly (readonly [string, Uint8Array])[] {
    const keys = [...this.#contents.keys()].filter((key) => key.startsWith(prefix)).sort()
    return keys.map((key) => [key, (this.#contents.get(key) as Uint8Array).slice()])
  }

  #enqueue(batch: Batch): void {
    if (!batch.life.alive) return
    this.#waiting.push(batch)
    if (this.#underWay.length === 0) this.#flush()
  }

  #flush(): void {
    const batches = this.#waiting
    if (batches.length === 0) return
    this.#waiting = []
    this.#underWay = batches
    const delayMs = this.#random.between(this.conditions.minFlushMs, this.conditions.maxFlushMs)
    this.#timeline.plan(delayMs, undefined, () => {
      if (this.#underWay !== batches) return // a crash came first
      this.#underWay = []
      for (const { changes } of batches) this.#apply(changes)
      this.#trace.record({
        atMs: this.#timeline.nowMs,
        kind: 'flush',
        from: this.name,
        text: `${batches.length} commits`,
      })
      for (const { life, resolve } of batches) this.#timeline.plan(0, life, resolve)
      this.#flush()
    })
  }

  #apply(changes: DiskChanges): void {
    for (const [key, value] of changes) {
      if (value === undefined) this.#contents.delete(key)
      else this.#contents.set(key, value)
    }
  }
}

function copyOf(changes: DiskChanges): DiskChanges {
  return new Map([...changes].map(([key, value]) => [key, value?.slice()]))
}
