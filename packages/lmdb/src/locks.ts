import { describeHolders, type LockHolder, maxLockHolders, type TransactionId } from '@verdict/protocol'

/**
 * How a key is held. `shared` goes with `shared`, `intent` with `intent`, `exclusive` with nothing. Intents are for the set of
 * keys as a whole: many branches may add keys at a time, but not while one has listed them.
 */
export type LockMode = 'shared' | 'intent' | 'exclusive'

/** As much of a clock as waiting for a lock needs. */
export interface LockClock {
  after(delayMs: number, callback: () => void): { cancel(): void }
}

/** A lock was not free within the time that the branch may wait for one. */
export class LockTimeoutError extends Error {
  override readonly name = 'LockTimeoutError'
  readonly code = 'lock-timeout'
  /** Who held it then, or wanted it before. */
  readonly heldBy: readonly LockHolder[]

  constructor(key: string, timeoutMs: number, heldBy: readonly LockHolder[]) {
    super(
      `The lock of ${JSON.stringify(key)} was not free within ${timeoutMs} ms: ${describeHolders(heldBy)}. Try again.`,
    )
    this.heldBy = heldBy
  }
}

/** A lock could never come: another holder waits until this branch gives back its own, and this one would wait for that holder. */
export class LockDeadlockError extends Error {
  override readonly name = 'LockDeadlockError'
  readonly code = 'deadlock'
  /** Who waits. */
  readonly heldBy: readonly LockHolder[]

  constructor(key: string, heldBy: readonly LockHolder[]) {
    super(
      `The lock of ${JSON.stringify(key)} is held by several that all want to write: ${describeHolders(heldBy)}. Try again, and read ` +
        'what is going to be changed by `getForUpdate`.',
    )
    this.heldBy = heldBy
  }
}

/** The branch ended while one of its operations still waited for a lock. */
export class LockAbandonedError extends Error {
  override readonly name = 'LockAbandonedError'
  readonly code = 'lock-abandoned'

  constructor(key: string) {
    super(
      `The branch ended while it waited for the lock of ${JSON.stringify(key)}. Await each operation before the last.`,
    )
  }
}

interface Waiter<Owner> {
  readonly owner: Owner
  readonly mode: LockMode
  readonly settle: (error?: Error) => void
}

interface Lock<Owner> {
  readonly holders: Map<Owner, LockMode>
  /** In order of arrival; a holder that wants more goes first, since nobody can pass it anyway. */
  waiters: Waiter<Owner>[]
}

/** Whoever takes locks: a branch, whose transaction others can be told. */
export interface LockOwner {
  readonly id?: TransactionId | undefined
}

export interface HeldLock<Owner> {
  readonly key: string
  readonly mode: LockMode
  readonly owner: Owner
}

/**
 * Locks of keys under strict two-phase locking: an owner takes them one by one and gives all of them back at once, at its end.
 * Fair: nobody passes an earlier waiter. There is no search for deadlocks but where it costs nothing, between those that hold the same
 * key (`checkUpgrade`); waiting is bounded by time-outs (rule R7).
 */
export class LockTable<Owner extends LockOwner> {
  readonly #clock: LockClock
  readonly #locks = new Map<string, Lock<Owner>>()
  readonly #keysOf = new Map<Owner, Set<string>>()

  constructor(clock: LockClock) {
    this.#clock = clock
  }

  /**
   * Resolves once `owner` holds `key` at least in this mode.
   * @throws LockTimeoutError when that takes longer than `timeoutMs`; LockAbandonedError when the owner ends meanwhile.
   */
  async acquire(owner: Owner, key: string, mode: LockMode, timeoutMs: number): Promise<void> {
    const lock = this.#lockOf(key)
    this.#note(owner, key)
    const held = lock.holders.get(owner)
    const wanted = held === undefined || held === mode ? mode : 'exclusive'
    if (held === wanted || held === 'exclusive') return
    const isFree = held !== undefined || lock.waiters.length === 0
    if (isFree && fits(lock, owner, wanted)) {
      lock.holders.set(owner, wanted)
      return
    }
    await this.#wait(lock, { owner, mode: wanted, key, timeoutMs, first: held !== undefined })
  }

  /** @throws LockDeadlockError when `owner` and another hold the key, both want more of it, and the other waits for that already. */
  checkUpgrade(owner: Owner, key: string, mode: LockMode): void {
    const lock = this.#locks.get(key)
    const held = lock?.holders.get(owner)
    if (lock === undefined || held === undefined || held === mode || held === 'exclusive') return
    const rivals = lock.waiters.filter((waiter) => waiter.owner !== owner && lock.holders.has(waiter.owner))
    if (rivals.length === 0) return
    const heldBy = rivals.map((rival) => describeHolder(rival.owner, lock.holders.get(rival.owner) ?? rival.mode, key))
    throw new LockDeadlockError(key, heldBy.slice(0, maxLockHolders))
  }

  /** Gives a lock without asking: for locks that were held before a restart, when nobody waits yet. */
  restore(owner: Owner, key: string, mode: LockMode): void {
    const lock = this.#lockOf(key)
    if (!fits(lock, owner, mode)) throw new Error(`broken invariant: two prepared branches held the lock of ${key}`)
    this.#note(owner, key)
    lock.holders.set(owner, mode)
  }

  /** Gives back all that `owner` holds or waits for. Harmless when repeated. */
  release(owner: Owner): void {
    const keys = this.#keysOf.get(owner)
    if (!keys) return
    this.#keysOf.delete(owner)
    for (const key of keys) {
      const lock = this.#lockOf(key)
      lock.holders.delete(owner)
      for (const waiter of lock.waiters.filter((one) => one.owner === owner)) waiter.settle(new LockAbandonedError(key))
      this.#grant(key, lock)
    }
  }

  /** What `owner` holds now. */
  heldBy(owner: Owner): readonly (readonly [key: string, mode: LockMode])[] {
    const held: (readonly [string, LockMode])[] = []
    for (const key of this.#keysOf.get(owner) ?? []) {
      const mode = this.#locks.get(key)?.holders.get(owner)
      if (mode) held.push([key, mode])
    }
    return held
  }

  /** Every lock that is held. */
  held(): readonly HeldLock<Owner>[] {
    return [...this.#locks].flatMap(([key, { holders }]) => [...holders].map(([owner, mode]) => ({ key, mode, owner })))
  }

  #wait(
    lock: Lock<Owner>,
    want: { owner: Owner; mode: LockMode; key: string; timeoutMs: number; first: boolean },
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter<Owner> = {
      owner: want.owner,
      mode: want.mode,
      settle: (error) => {
        timer.cancel()
        lock.waiters = lock.waiters.filter((other) => other !== waiter)
        if (error) reject(error)
        else resolve()
      },
    }
    const timer = this.#clock.after(want.timeoutMs, () => {
      waiter.settle(new LockTimeoutError(want.key, want.timeoutMs, holdersOf(lock, want.owner, want.key)))
      this.#grant(want.key, lock)
    })
    if (want.first) lock.waiters.unshift(waiter)
    else lock.waiters.push(waiter)
    return promise
  }

  #grant(key: string, lock: Lock<Owner>): void {
    for (let next = lock.waiters[0]; next && fits(lock, next.owner, next.mode); next = lock.waiters[0]) {
      lock.holders.set(next.owner, next.mode)
      next.settle()
    }
    if (lock.holders.size === 0 && lock.waiters.length === 0) this.#locks.delete(key)
  }

  #lockOf(key: string): Lock<Owner> {
    const known = this.#locks.get(key)
    if (known) return known
    const lock: Lock<Owner> = { holders: new Map(), waiters: [] }
    this.#locks.set(key, lock)
    return lock
  }

  #note(owner: Owner, key: string): void {
    const keys = this.#keysOf.get(owner)
    if (keys) keys.add(key)
    else this.#keysOf.set(owner, new Set([key]))
  }
}

/** Those that `owner` waits for; where nobody holds what it wants, those that came before it. */
function holdersOf<Owner extends LockOwner>(lock: Lock<Owner>, owner: Owner, what: string): LockHolder[] {
  const inTheWay = [...lock.holders].filter(([holder]) => holder !== owner)
  const before = lock.waiters.slice(
    0,
    lock.waiters.findIndex((waiter) => waiter.owner === owner),
  )
  const found = inTheWay.length > 0 ? inTheWay : before.map((waiter) => [waiter.owner, waiter.mode] as const)
  return found.slice(0, maxLockHolders).map(([holder, mode]) => describeHolder(holder, mode, what))
}

function describeHolder({ id }: LockOwner, mode: LockMode, what: string): LockHolder {
  return { what, mode, ...(id === undefined ? { other: 'another branch' } : { transaction: id }) }
}

function fits<Owner>(lock: Lock<Owner>, owner: Owner, mode: LockMode): boolean {
  for (const [holder, held] of lock.holders) {
    if (holder !== owner && (held !== mode || mode === 'exclusive')) return false
  }
  return true
}
