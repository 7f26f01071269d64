import { type Audited, type Begun, type Entry, LedgerReader, type Told } from './ledger.ts'

/** What all ledgers say together, while it happens. */
export class Watch {
  /** Transfers that were begun and have no outcome yet, by name. */
  readonly open = new Map<string, Begun>()
  /** What each transfer came to, where that was told. */
  readonly outcomes = new Map<string, Told['what']>()
  readonly aborts = new Map<string, number>()
  /** What clients were told of aborted transfers, for people. */
  readonly abortNotes: Told[] = []
  readonly audits: Audited[] = []
  begun = 0
  committed = 0
  aborted = 0
  /** Answers "in doubt", after which a client asked again. */
  doubts = 0
  /** Transfers whose client cannot find out. */
  unknown = 0
  hazards = 0
  readonly #readers: readonly LedgerReader[]
  readonly #committedAtMs: number[] = []

  constructor(ledgerFiles: readonly string[]) {
    this.#readers = ledgerFiles.map((file) => new LedgerReader(file))
  }

  /** Reads what is new. */
  poll(): void {
    for (const reader of this.#readers) for (const entry of reader.read()) this.#take(entry)
  }

  /** The longest time within which no client was told of a commit, between two times. */
  longestPauseMs(fromMs: number, toMs: number): number {
    const times = [fromMs, ...this.#committedAtMs.filter((atMs) => atMs > fromMs && atMs < toMs), toMs].toSorted(
      (a, b) => a - b,
    )
    return times.reduce((longest, atMs, place) => Math.max(longest, atMs - (times[place - 1] ?? atMs)), 0)
  }

  /** How many audits were committed. */
  get audited(): number {
    return this.audits.filter(({ what }) => what === 'committed').length
  }

  #take(entry: Entry): void {
    switch (entry.kind) {
      case 'begun':
        this.begun += 1
        this.open.set(entry.transfer, entry)
        return
      case 'audited':
        this.audits.push(entry)
        return
      case 'told':
        this.#told(entry)
    }
  }

  #told(entry: Told): void {
    const { transfer, what, code = 'unknown', atMs } = entry
    switch (what) {
      case 'doubt':
        this.doubts += 1
        return
      case 'committed':
        this.committed += 1
        this.#committedAtMs.push(atMs)
        break
      case 'aborted':
        this.aborted += 1
        this.aborts.set(code, (this.aborts.get(code) ?? 0) + 1)
        this.abortNotes.push(entry)
        break
      case 'unknown':
        this.unknown += 1
        break
      case 'hazard':
        this.hazards += 1
    }
    this.open.delete(transfer)
    this.outcomes.set(transfer, what)
  }
}
