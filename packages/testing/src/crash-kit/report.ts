import { causes, type Fault, type FaultKind } from './fault.ts'

/** One crash point, and what was found there. */
export interface CrashLine {
  readonly point: string
  readonly fault?: Fault
}

/** What the crash kit found. */
export class CrashReport {
  readonly participant: string
  readonly operation: string
  readonly lines: readonly CrashLine[]
  /** Each cause once, in one sentence; empty when the service is as it must be. */
  readonly faults: readonly Fault[]
  readonly #accepted: ReadonlySet<FaultKind>

  constructor(participant: string, operation: string, lines: readonly CrashLine[], accepted: readonly FaultKind[]) {
    this.participant = participant
    this.operation = operation
    this.lines = lines
    this.#accepted = new Set(accepted)
    const found = lines.flatMap(({ fault }) => (fault === undefined ? [] : [fault]))
    this.faults = causes(found).filter(({ kind }) => !this.#accepted.has(kind))
  }

  /** Throws when anything is wrong, with every cause and every point in its message. @throws CrashTestError */
  assert(): void {
    if (this.faults.length > 0) throw new CrashTestError(this)
  }

  /** One line for each crash point. */
  toString(): string {
    const wrong = this.lines.filter(({ fault }) => fault !== undefined).length
    const title = `${this.participant}.${this.operation}: ${this.lines.length} crash points, ${wrong} of them with a finding`
    return [title, ...this.lines.map((line) => this.#show(line))].join('\n')
  }

  #show({ point, fault }: CrashLine): string {
    if (fault === undefined) return `  ok        ${point}`
    const mark = this.#accepted.has(fault.kind) ? 'accepted' : 'WRONG'
    return `  ${mark.padEnd(8)}  ${point}: ${fault.sentence}`
  }
}

/** A service that a crash, an abort or a second run would harm. Its message says how, and what to do. */
export class CrashTestError extends Error {
  override readonly name = 'CrashTestError'
  readonly report: CrashReport

  constructor(report: CrashReport) {
    const told = report.faults.map(({ sentence, remedy, seen }) =>
      [sentence, `  ${remedy}`, ...(seen === undefined ? [] : [`  Seen: ${seen}`])].join('\n'),
    )
    super([...told, '', report.toString()].join('\n'))
    this.report = report
  }
}
