import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { ResourceUnfitError } from '@verdict/participant'

const busy = 5 // SQLITE_BUSY

/**
 * Ownership of a store by one process. It is an exclusive lock of the operating system on a file beside the store, taken
 * through SQLite, the one way in Node without a native package: the system gives it back when the process ends, however that
 * happens, so that no lock is ever left over and no process id is trusted. The file lies outside the folder, since a process
 * that copied the folder would open and close the file, and so lose the lock.
 */
export class Owner {
  readonly #lock: DatabaseSync

  /** @throws ResourceUnfitError when another process, or another resource of this one, owns the store. */
  constructor(storePath: string) {
    const path = `${storePath}.owner`
    const lock = new DatabaseSync(path)
    try {
      lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    } catch (cause) {
      lock.close()
      if (!isBusy(cause)) throw cause
      throw new ResourceUnfitError(
        `The LMDB store ${storePath} is in use by ${readNote(path)}. One process owns a store: stop that one first, or give ` +
          'this service a path of its own. A service that shall run as several processes needs a database server as resource.',
        { cause },
      )
    }
    this.#lock = lock
    writeFileSync(notePath(path), `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}\n`)
  }

  release(): void {
    this.#lock.close()
  }
}

function notePath(path: string): string {
  return `${path}.txt`
}

/** Who owns the store, for people: the note may be a moment late. */
function readNote(path: string): string {
  try {
    return readFileSync(notePath(path), 'utf8').trim()
  } catch {
    return 'another process'
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === busy
}
