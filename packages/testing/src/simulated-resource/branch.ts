import type { BranchNote, CommitNote, CommitResult, Mode, OpenBranch, PrepareResult } from '@verdict/participant'
import type { ParticipantName } from '@verdict/protocol'
import type { Connection } from './connection.ts'
import { reasonOf } from './reason.ts'
import { ConnectionLostError, isSqlState, sqlStates } from './sql-error.ts'
import { type SimulatedSession, tableOn } from './table.ts'
import type { BranchName, JournalRow } from './tables.ts'

/** A branch in a local transaction on a connection of its own. */
export class SimulatedBranch implements OpenBranch<SimulatedSession> {
  readonly session: SimulatedSession
  readonly #connection: Connection
  readonly #participant: ParticipantName
  readonly #rowTimeoutMs: number
  readonly #onEnd: () => void
  #isOpen = true
  #rolledBack: Promise<void> | undefined

  /** `rowTimeoutMs` is how long writing the journal row may wait for another one of the same id. */
  constructor(connection: Connection, participant: ParticipantName, rowTimeoutMs: number, onEnd: () => void) {
    const check = (): void => {
      if (!this.#isOpen) throw new Error('The branch has ended: nothing can be asked of its table any more.')
    }
    this.session = { table: tableOn(connection, check) }
    this.#connection = connection
    this.#participant = participant
    this.#rowTimeoutMs = rowTimeoutMs
    this.#onEnd = onEnd
  }

  async prepare(note: BranchNote): Promise<PrepareResult> {
    if (!this.#isOpen) throw new Error('The branch has ended: it cannot be prepared.')
    this.#isOpen = false
    try {
      if (note.serializable || (await this.#connection.request((backend) => backend.hasWritten()))) {
        return (await this.#insertRow(note, 'logged')) ?? (await this.#checkFloor(note)) ?? (await this.#prepare(note))
      }
      const ended = await this.#connection.request((backend) => backend.commit())
      return ended === 'committed' ? { kind: 'read-only' } : refusedAfterFailure
    } catch (error) {
      // PREPARE has not been sent, or was refused: the session holds at most what it will roll back.
      return { kind: 'refused', reason: reasonOf(error) }
    } finally {
      await this.#end()
    }
  }

  async commit(note: CommitNote): Promise<CommitResult> {
    if (!this.#isOpen) throw new Error('The branch has ended: it cannot be committed.')
    this.#isOpen = false
    try {
      if (note.rowAlways || (await this.#connection.request((backend) => backend.hasWritten()))) {
        return (await this.#insertRow(note, 'lone')) ?? (await this.#checkFloor(note)) ?? (await this.#commit())
      }
      const ended = await this.#connection.request((backend) => backend.commit())
      return ended === 'committed' ? { kind: 'read-only' } : refusedAfterFailure
    } catch (error) {
      // COMMIT has not been sent, or was refused: the session holds at most what it will roll back.
      return { kind: 'refused', reason: reasonOf(error) }
    } finally {
      await this.#end()
    }
  }

  async rollback(): Promise<void> {
    if (this.#isOpen) this.#rolledBack = this.#end()
    this.#isOpen = false
    await this.#rolledBack
  }

  async #insertRow(
    { id, digest, token, results }: BranchNote,
    mode: Mode,
  ): Promise<{ readonly kind: 'exists' | 'busy' } | undefined> {
    const row: JournalRow = {
      participant: this.#participant,
      id,
      digest,
      token,
      mode,
      state: 'committed',
      ...(results && { results }),
    }
    try {
      await this.#connection.request((backend) => backend.insertRow(row, this.#rowTimeoutMs))
      return undefined
    } catch (error) {
      if (isSqlState(error, sqlStates.uniqueViolation)) return { kind: 'exists' }
      if (isSqlState(error, sqlStates.lockNotAvailable)) return { kind: 'busy' }
      throw error
    }
  }

  /** After the row was written: whoever deleted one before it had raised the floor by then (rule R12). */
  async #checkFloor({ id }: BranchNote): Promise<{ readonly kind: 'expired' } | undefined> {
    const expired = await this.#connection.request((backend) => backend.isExpired(this.#participant, id))
    return expired ? { kind: 'expired' } : undefined
  }

  async #prepare({ id, digest, token, trace }: BranchNote): Promise<PrepareResult> {
    const name: BranchName = { participant: this.#participant, id, digest, token }
    try {
      const ended = await this.#connection.requestEnd('uncertainPrepare', (backend) =>
        backend.prepare(name, trace ? { trace } : {}),
      )
      return ended === 'prepared' ? { kind: 'prepared' } : refusedAfterFailure
    } catch (error) {
      if (error instanceof ConnectionLostError) return { kind: 'busy' }
      throw error
    }
  }

  async #commit(): Promise<CommitResult> {
    try {
      const ended = await this.#connection.requestEnd('uncertainCommit', (backend) => backend.commit())
      return ended === 'committed' ? { kind: 'committed' } : refusedAfterFailure
    } catch (error) {
      if (error instanceof ConnectionLostError) return { kind: 'busy' }
      throw error
    }
  }

  /** A lost connection ends the branch too, though its locks may stay for a while longer. */
  async #end(): Promise<void> {
    await this.#connection.request((backend) => backend.rollback()).catch(() => {})
    this.#connection.close()
    this.#onEnd()
  }
}

const refusedAfterFailure = {
  kind: 'refused' as const,
  reason: {
    code: 'resource-refused',
    message: 'A statement of the branch had failed, so that the database rolled it back instead.',
    retryable: true,
  },
}
