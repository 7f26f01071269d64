/** What a line of the trace is about. */
export type TraceKind =
  | 'start'
  | 'crash'
  | 'power-cut'
  | 'pause'
  | 'resume'
  | 'timer'
  | 'deliver'
  | 'lose'
  | 'nobody'
  | 'flush'
  | 'network'
  | 'note'

/** One event of a simulation. */
export interface TraceEntry {
  readonly atMs: number
  readonly kind: TraceKind
  /** Process that acts. */
  readonly from: string
  /** Process that receives, for messages. */
  readonly to?: string | undefined
  /** Subject of a message, or what happened in words. */
  readonly text: string
  readonly payload?: Uint8Array
  /** When a message left. */
  readonly sentMs?: number
}

export interface TraceOptions {
  /** Words for a payload, for readers of the trace. It must not throw; the hash does not depend on it. */
  readonly describe?: (payload: Uint8Array, subject: string) => string
  /** Called with each line at once, to see all of a run. */
  readonly print?: (line: string) => void
  /** Lines kept for an error's text. Default 2000: some megabytes at the largest payloads of the protocol. */
  readonly keep?: number
}

/** Texts whose hash is remembered; subjects repeat, and more than these are told apart by few runs. */
const maxHashedTexts = 10_000

/** What happened, one dense line an event, and a hash over all of it: the same seed gives the same. */
export class Trace {
  readonly #options: TraceOptions
  readonly #keep: number
  readonly #entries: TraceEntry[] = []
  readonly #textHashes = new Map<string, number>()
  readonly #float = new Float64Array(1)
  readonly #words = new Uint32Array(this.#float.buffer)
  #next = 0
  #count = 0
  #high = 0x243f6a88
  #low = 0x85a308d3

  constructor(options: TraceOptions = {}) {
    this.#options = options
    this.#keep = options.keep ?? 2000
  }

  /** Events recorded so far. */
  get count(): number {
    return this.#count
  }

  /** Hash over all events so far, payloads included: 16 hexadecimal digits. */
  get hash(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }

  record(entry: TraceEntry): void {
    const { atMs, kind, from, to, text, payload } = entry
    this.#float[0] = atMs
    this.#mix(this.#words[0] as number)
    this.#mix(this.#words[1] as number)
    this.#mix(this.#hashOf(kind))
    this.#mix(this.#hashOf(from))
    this.#mix(this.#hashOf(text))
    if (to !== undefined) this.#mix(this.#hashOf(to))
    if (payload !== undefined) this.#mixBytes(payload)
    this.#count++
    this.#entries[this.#next] = entry
    this.#next = (this.#next + 1) % this.#keep
    this.#options.print?.(this.#line(entry))
  }

  /** The last lines, oldest first. */
  lines(last: number = this.#keep): readonly string[] {
    const ordered = [...this.#entries.slice(this.#next), ...this.#entries.slice(0, this.#next)]
    return ordered.slice(Math.max(0, ordered.length - last)).map((entry) => this.#line(entry))
  }

  #line(entry: TraceEntry): string {
    const { kind, from, to, text, payload, sentMs } = entry
    const who = to === undefined ? from : `${from} → ${to}`
    const line = `${entry.atMs.toFixed(3).padStart(12)} ${kind.padEnd(9)} ${who.padEnd(20)} ${text}`
    const sent = sentMs === undefined ? '' : ` left ${sentMs.toFixed(3)}`
    if (payload === undefined) return line + sent
    const words = this.#options.describe?.(payload, text)
    return `${line} ${payload.length} B${sent}${words === undefined ? '' : ` ${words}`}`
  }

  #hashOf(text: string): number {
    const known = this.#textHashes.get(text)
    if (known !== undefined) return known
    let hash = 0x811c9dc5
    for (let place = 0; place < text.length; place++) hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193)
    if (this.#textHashes.size >= maxHashedTexts) this.#textHashes.clear()
    this.#textHashes.set(text, hash)
    return hash
  }

  #mixBytes(bytes: Uint8Array): void {
    let hash = 0x811c9dc5 ^ bytes.length
    for (let place = 0; place < bytes.length; place++) hash = Math.imul(hash ^ (bytes[place] as number), 0x01000193)
    this.#mix(hash)
  }

  #mix(word: number): void {
    this.#high = Math.imul(this.#high ^ word, 0x85ebca6b)
    this.#high ^= this.#high >>> 15
    this.#low = Math.imul(this.#low ^ word ^ this.#high, 0xc2b2ae35)
    this.#low ^= this.#low >>> 13
  }
}
