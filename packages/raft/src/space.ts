import { invariant } from './invariant.ts'
import type { StateSpace } from './state-machine.ts'
import type { LogStore } from './store.ts'

type Changes = Map<string, Uint8Array | undefined>

/** As the stores allow: LMDB's keys end at 1,978 bytes, and code units are compared only where each is one byte. */
export const maxKeyLength = 400
const keyPattern = /^[\x20-\x7e]+$/
/** A message carries a value of a snapshot whole: half of what NATS takes in one, and twice the largest command. */
export const maxValueBytes: number = 512 * 1024

/**
 * The state space as it will be on disk: the store, and over it the changes that are being written, and over them those that
 * gather for the next batch. A state machine's reads see all of them.
 */
export class OverlaySpace implements StateSpace {
  private readonly store: Pick<LogStore, 'get' | 'list'>
  private underWay: Changes = new Map()
  private gathered: Changes = new Map()

  constructor(store: Pick<LogStore, 'get' | 'list'>) {
    this.store = store
  }

  get(key: string): Uint8Array | undefined {
    if (this.gathered.has(key)) return this.gathered.get(key)
    return this.underWay.has(key) ? this.underWay.get(key) : this.store.get(key)
  }

  put(key: string, value: Uint8Array): void {
    checkKey(key)
    checkValue(value)
    this.gathered.set(key, value)
  }

  delete(key: string): void {
    checkKey(key)
    this.gathered.set(key, undefined)
  }

  list(prefix: string, limit: number, after = ''): readonly (readonly [key: string, value: Uint8Array])[] {
    const changed = new Map(
      [...this.underWay, ...this.gathered].filter(([key]) => key.startsWith(prefix) && key > after),
    )
    // Each change hides at most one entry of the store.
    const stored = this.store.list(prefix, limit + changed.size, after)
    if (changed.size === 0) return stored
    const present: (readonly [string, Uint8Array])[] = stored.filter(([key]) => !changed.has(key))
    for (const [key, value] of changed) if (value !== undefined) present.push([key, value])
    return present.sort(([one], [other]) => (one < other ? -1 : 1)).slice(0, limit)
  }

  /** Hands over what gathered, for the batch that leaves now. One batch is under way at a time. */
  take(): ReadonlyMap<string, Uint8Array | undefined> {
    invariant(this.underWay.size === 0, 'one batch is under way at a time')
    this.underWay = this.gathered
    this.gathered = new Map()
    return this.underWay
  }

  /** The store holds what was taken. */
  landed(): void {
    this.underWay = new Map()
  }

  /** Another space took the place of the store's. What was meant for the one that is gone must not get into it. */
  replaced(): void {
    invariant(this.underWay.size === 0 && this.gathered.size === 0, 'nothing is applied while a snapshot is installed')
  }
}

function checkKey(key: string): void {
  invariant(
    isSpaceKey(key),
    `${JSON.stringify(key)} is a key of the state space: 1 to ${maxKeyLength} printable ASCII characters`,
  )
}

export function isSpaceKey(key: string): boolean {
  return key.length <= maxKeyLength && keyPattern.test(key)
}

function checkValue(value: Uint8Array): void {
  invariant(
    value.length <= maxValueBytes,
    `a value of the state space has at most ${maxValueBytes} bytes, not ${value.length}`,
  )
}
