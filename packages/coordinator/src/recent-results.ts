import type { Payload, TransactionId } from '@verdict/protocol'
import { bytesOf, type Results } from './waiter.ts'

/** What one entry costs beside its values: id, maps and arrays. */
const entryBytes = 512

/**
 * Results of one-shots that are settled: their askers may come again, since an answer was lost or the leader changed. Bounded in
 * bytes; the oldest give way.
 */
export class RecentResults {
  private readonly results = new Map<TransactionId, Results>()
  private readonly limitBytes: number
  private bytes = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get(id: TransactionId): Results | undefined {
    return this.results.get(id)
  }

  /** Keeps the results of a transaction, if they are whole. */
  keep(id: TransactionId, results: Results): void {
    if (this.results.has(id) || results.some((values) => values === undefined)) return
    // Copies: what arrived is a view that would keep the whole message alive.
    const copies = results.map((values) => values?.map((value) => Uint8Array.from(value) as Payload))
    this.results.set(id, copies)
    this.bytes += entryBytes + bytesOf(copies)
    for (const [oldest, theirs] of this.results) {
      if (this.bytes <= this.limitBytes) return
      this.remove(oldest, theirs)
    }
  }

  /** The transaction is forgotten. */
  drop(id: TransactionId): void {
    const theirs = this.results.get(id)
    if (theirs !== undefined) this.remove(id, theirs)
  }

  private remove(id: TransactionId, theirs: Results): void {
    this.results.delete(id)
    this.bytes -= entryBytes + bytesOf(theirs)
  }
}
