import { closeSync, existsSync, fdatasync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs'

/** What a client writes down of one transfer. Money moves from the first place to the second. */
export interface Begun {
  readonly kind: 'begun'
  readonly transfer: string
  /** The id under which it is run again, if it is kept. */
  readonly id?: string
  readonly places: readonly [Place, Place]
  readonly cents: number
  readonly way: 'interactive' | 'one-shot'
  readonly atMs: number
}

export interface Place {
  readonly bank: string
  readonly account: number
}

/** What it was told. `doubt` is no outcome; `unknown` says that it will not ask again. */
export interface Told {
  readonly kind: 'told'
  readonly transfer: string
  readonly what: 'committed' | 'aborted' | 'doubt' | 'unknown' | 'hazard'
  readonly code?: string
  /** For people. */
  readonly note?: string
  readonly atMs: number
}

/** One audit. Its total counts only if it was committed. */
export interface Audited {
  readonly kind: 'audited'
  readonly what: 'committed' | 'aborted' | 'doubt'
  readonly cents?: number
  readonly code?: string
  readonly atMs: number
}

export type Entry = Begun | Told | Audited

/** A file of a process's own, in which it writes down what it does before it does it, and what it is told once it is told. */
export class Ledger {
  readonly #file: number
  #waiting: (() => void)[] = []
  #flushing = false

  constructor(path: string) {
    if (existsSync(path)) endLine(path)
    this.#file = openSync(path, 'a')
  }

  /** Resolves when the entry is on the disk. */
  write(entry: Entry): Promise<void> {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`)
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#flushing || this.#waiting.length === 0) return
    this.#flushing = true
    const flushed = this.#waiting
    this.#waiting = []
    fdatasync(this.#file, (error) => {
      if (error) throw error
      this.#flushing = false
      for (const resolve of flushed) resolve()
      this.#flush()
    })
  }
}

/** A process that was killed may have left half a line: what follows begins a new one. */
function endLine(path: string): void {
  const text = readFileSync(path, 'utf8')
  if (text === '' || text.endsWith('\n')) return
  const file = openSync(path, 'a')
  writeSync(file, '\n')
  closeSync(file)
}

/** Entries in lines of text. Half a line tells nothing, since what it announced was not begun. */
export function entriesIn(text: string): Entry[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Entry]
    } catch {
      return []
    }
  })
}

/** Reads what has come to a ledger since the last time. */
export class LedgerReader {
  readonly #path: string
  #offset = 0
  #rest = ''

  constructor(path: string) {
    this.#path = path
  }

  read(): Entry[] {
    if (!existsSync(this.#path)) return []
    const size = statSync(this.#path).size
    if (size === this.#offset) return []
    const bytes = Buffer.alloc(size - this.#offset)
    const file = openSync(this.#path, 'r')
    readSync(file, bytes, 0, bytes.length, this.#offset)
    closeSync(file)
    this.#offset = size
    const text = this.#rest + bytes.toString('latin1') // nothing in a ledger is beyond ASCII
    const end = text.lastIndexOf('\n') + 1
    this.#rest = text.slice(end)
    return entriesIn(text.slice(0, end))
  }
}
