import type { LockHolder } from '@verdict/protocol'
import type { Connection } from './connection.ts'
import { holdersInDeadlock, noteHolders, type SessionOwners } from './holders.ts'
import { sqlStates } from './reason.ts'

/** What the watch asks of the resource. */
export interface LockWitness {
  readonly owners: SessionOwners
  /** Who is in the way of this session now; none when nobody is, or nobody can tell soon. Never rejects. */
  holdersFor(pid: number): Promise<readonly LockHolder[]>
}

/**
 * Finds out who holds what the statements of a branch wait for. A time-out leaves no trace of whom it waited for, so the server is
 * asked while a statement may be waiting: twice in each stretch of the time-out, so that the last answer is of the wait that failed.
 */
export class LockWatch {
  readonly #connection: Connection
  readonly #witness: LockWitness
  readonly #pauseMs: number
  #timer: NodeJS.Timeout | undefined
  #last: readonly LockHolder[] = []

  constructor(connection: Connection, witness: LockWitness, lockTimeoutMs: number) {
    this.#connection = connection
    this.#witness = witness
    this.#pauseMs = lockTimeoutMs * watchShare
  }

  /** A statement runs. */
  begin(): void {
    if (this.#timer === undefined) this.#pause()
  }

  /** No statement runs any more. */
  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#last = []
  }

  /** A statement failed: what is known about it is kept with its error. */
  witness(error: Error, code: string | undefined): void {
    if (code === sqlStates.lockNotAvailable) noteHolders(error, this.#last)
    if (code !== sqlStates.deadlockDetected) return
    const detail = 'detail' in error && typeof error.detail === 'string' ? error.detail : undefined
    noteHolders(error, holdersInDeadlock(detail, this.#connection.pid, this.#witness.owners))
  }

  #pause(): void {
    const timer = setTimeout(() => void this.#ask(timer), this.#pauseMs)
    this.#timer = timer
  }

  async #ask(timer: NodeJS.Timeout): Promise<void> {
    const found = await this.#witness.holdersFor(this.#connection.pid)
    if (this.#timer !== timer) return
    if (found.length > 0) this.#last = found
    this.#pause()
  }
}

const watchShare = 0.45
