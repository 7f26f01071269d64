import type { BranchNote, CommitNote, CommitResult, OpenBranch, PrepareResult } from '@verdict/participant'
import { reasonCodes } from '@verdict/protocol'
import type { Journal } from './journal.ts'
import type { LockTable } from './locks.ts'
import type { LmdbStore, Transaction } from './transaction.ts'

/** What operations on an LMDB resource work with. */
export interface LmdbSession {
  readonly store: LmdbStore
}

/** An open branch: a write set in memory, and locks. */
export class LmdbBranch implements OpenBranch<LmdbSession> {
  readonly session: LmdbSession
  readonly #transaction: Transaction
  readonly #journal: Journal
  readonly #locks: LockTable<Transaction>
  readonly #onEnd: () => void
  #isOpen = true

  constructor(transaction: Transaction, journal: Journal, locks: LockTable<Transaction>, onEnd: () => void) {
    this.session = { store: transaction }
    this.#transaction = transaction
    this.#journal = journal
    this.#locks = locks
    this.#onEnd = onEnd
  }

  async prepare(note: BranchNote): Promise<PrepareResult> {
    if (!this.#isOpen) return { kind: 'refused', reason: alreadyEnded }
    this.#isOpen = false
    this.#transaction.close()
    const onlyRead = this.#transaction.writes.size === 0 && !note.serializable
    const kind = onlyRead ? 'read-only' : await this.#journal.prepare(this.#transaction, note)
    // A branch whose write failed may lie on disk: its locks go with the process.
    const mayBePrepared = kind === 'prepared' || (kind === 'busy' && this.#journal.isBroken)
    if (!mayBePrepared) this.#locks.release(this.#transaction)
    this.#onEnd()
    return { kind }
  }

  async commit(note: CommitNote): Promise<CommitResult> {
    if (!this.#isOpen) return { kind: 'refused', reason: alreadyEnded }
    this.#isOpen = false
    this.#transaction.close()
    const onlyRead = this.#transaction.writes.size === 0 && !note.rowAlways
    const kind = onlyRead ? 'read-only' : await this.#journal.commit(this.#transaction, note)
    this.#locks.release(this.#transaction)
    this.#onEnd()
    return { kind }
  }

  async rollback(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#transaction.close()
    this.#locks.release(this.#transaction)
    this.#onEnd()
  }
}

const alreadyEnded = {
  code: reasonCodes.resourceRefused,
  message: 'The branch has ended: its time was over, or it was asked to prepare or to commit before.',
  retryable: false,
}
