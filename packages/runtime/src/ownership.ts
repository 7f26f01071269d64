import { accessSync, constants, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'

const busy = 5 // SQLITE_BUSY

/** Another process, or another owner in this one, has what was asked for. */
export class OwnedElsewhereError extends Error {
  override readonly name = 'OwnedElsewhereError'
  readonly code = 'owned-elsewhere'
  /** Who has it, for people: `process 4711 on host, since 2026-01-31T12:00:00.000Z`, or `another process`. */
  readonly holder: string
  constructor(file: string, holder: string, options?: ErrorOptions) {
    super(`${file} is held by ${holder}. Stop that one first.`, options)
    this.holder = holder
  }
}

/**
 * Ownership of something on a disk by one process. It is an exclusive lock of the operating system on a file, taken through
 * SQLite, the one way in Node without a native package: the system gives it back when the process ends, however that happens,
 * so that no lock is ever left over and no process id is trusted. The empty file stays: whoever removed it could have the
 * lock of a file that is gone while another has the lock of its successor.
 *
 * POSIX drops a process's locks of a file when it closes *any* descriptor of it. SQLite minds that; the owner's own process
 * must not open the file by other means, as by copying its folder.
 */
export class Ownership {
  readonly #lock: DatabaseSync
  readonly #note: string

  /**
   * Takes the lock of a file on a local disk, and makes the file when it is not there. A note `<file>.txt` says who has it.
   * @throws OwnedElsewhereError when it is taken; the system's error when the file cannot be made or written to.
   */
  constructor(file: string) {
    const path = resolve(file) // SQLite reads more into some relative names
    this.#note = `${path}.txt`
    this.#lock = openLock(path)
    try {
      // SQLite lets many share a file that they may only read, exclusive or not.
      accessSync(path, constants.W_OK)
      this.#lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
      writeFileSync(this.#note, `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}\n`)
    } catch (cause) {
      this.#lock.close()
      throw isBusy(cause) ? new OwnedElsewhereError(path, readNote(this.#note), { cause }) : cause
    }
  }

  /** Gives the lock back. Harmless when repeated. */
  release(): void {
    if (!this.#lock.isOpen) return
    try {
      rmSync(this.#note, { force: true }) // while nobody else can have written it
    } finally {
      this.#lock.close()
    }
  }
}

/** Loads SQLite when it is needed, and without the warning that early releases of Node 24 print: a lock is all it is used for. */
function openLock(path: string): DatabaseSync {
  const warning = Object.getOwnPropertyDescriptor(process, 'emitWarning') ?? {}
  process.emitWarning = () => {}
  try {
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
    return new DatabaseSync(path)
  } finally {
    Object.defineProperty(process, 'emitWarning', warning)
  }
}

/** The note may be a moment late. */
function readNote(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return 'another process'
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === busy
}
