import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { DecisionRecord } from '@verdict/protocol'

const folder = join(import.meta.dirname, 'recorded')

/** What a log held, and what stood in the space once all of it was applied. */
export interface RecordedLog {
  readonly manifest: string
  readonly epoch: number
  readonly format: number
  readonly records: readonly DecisionRecord[]
  /** In hexadecimal digits. */
  readonly commands: readonly string[]
}

/** Rows of a resource, by the number of their note: what a look told of each. */
export interface RecordedRows {
  readonly rows: Readonly<Record<string, { readonly state: string; readonly mode?: string }>>
  /** Names of what was prepared, where the resource gives it a name. */
  readonly gids: readonly string[]
}

/** Messages in hexadecimal digits, by their type or kind. */
export interface RecordedMessages {
  readonly packets: Readonly<Record<string, readonly string[]>>
  readonly raft: Readonly<Record<string, string>>
}

/** The files of one recorded version. */
export class Recording {
  readonly version: string
  readonly #path: string

  constructor(version: string) {
    this.version = version
    this.#path = join(folder, version)
  }

  static all(): Recording[] {
    return readdirSync(folder).map((version) => new Recording(version))
  }

  get path(): string {
    return this.#path
  }

  has(name: string): boolean {
    return existsSync(join(this.#path, name))
  }

  readText(name: string): string {
    return readFileSync(join(this.#path, name), 'utf8')
  }

  readJson<T>(name: string): T {
    return JSON.parse(this.readText(name)) as T
  }

  writeText(name: string, text: string): void {
    writeFileSync(join(this.#path, name), text)
  }

  writeJson<T>(name: string, value: T): void {
    this.writeText(name, `${JSON.stringify(value, undefined, 1)}\n`)
  }

  /** Puts a recorded store where it can be opened; `to` is an LMDB folder that exists. */
  restoreStore(name: string, to: string): void {
    writeFileSync(join(to, 'data.mdb'), gunzipSync(readFileSync(join(this.#path, name))))
  }

  writeStore(name: string, from: string): void {
    writeFileSync(join(this.#path, name), gzipSync(readFileSync(join(from, 'data.mdb')), { level: 9 }))
  }
}
