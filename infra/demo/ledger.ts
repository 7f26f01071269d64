import { writeFileSync } from 'node:fs'
import type { Order } from './order.ts'

/** What the customers were told, kept apart from every store: the audit compares the two. */
export interface LedgerEntry {
  readonly order: Order
  readonly outcome: 'committed' | 'refused'
  /** Why it was refused, as the customer was told. */
  readonly code?: string
}

/** The driver's own account of what it was told. */
export class Ledger {
  readonly entries: LedgerEntry[] = []
  readonly latenciesMs: number[] = []
  committed = 0
  refused = 0
  inFlight = 0
  /** Orders whose customers were told "in doubt", or nothing, and ask again. */
  inDoubt = 0
  /** When the last order was committed: one that is refused need not reach the coordinators. */
  lastCommittedAtMs = performance.now()
  readonly refusals = new Map<string, number>()

  record(entry: LedgerEntry, latencyMs: number): void {
    this.entries.push(entry)
    this.latenciesMs.push(latencyMs)
    if (entry.outcome === 'committed') {
      this.committed += 1
      this.lastCommittedAtMs = performance.now()
    } else {
      this.refused += 1
      const code = entry.code ?? 'unknown'
      this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
    }
  }

  /** The latency that `share` of all orders stayed below, in milliseconds. */
  percentileMs(share: number): number {
    const sorted = this.latenciesMs.toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  }

  /** Writes one JSON line for each order. */
  writeTo(path: string): void {
    writeFileSync(path, this.entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
  }
}
