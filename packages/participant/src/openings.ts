import type { Payload, TraceContext, TransactionId } from '@verdict/protocol'
import { isOpen, rowOf } from './branch-state.ts'
import type { Census } from './metering.ts'
import { Notes } from './notes.ts'
import type { Opening } from './opening.ts'
import type { Row } from './resource.ts'

/** What one instance knows of its branches by heart: what holds something in the resource, what has ended, and what became of it. */
export class Openings {
  /** What holds something in the resource, or is about to. */
  readonly #live = new Map<TransactionId, Opening>()
  readonly #notes: Notes<Opening>
  /** Ids that have an outcome here: nothing of theirs runs again. */
  readonly #ended: Notes<true>

  constructor(maxNotes: number) {
    this.#notes = new Notes(maxNotes)
    this.#ended = new Notes(maxNotes)
  }

  get isEmpty(): boolean {
    return this.#live.size === 0
  }

  /** Those that hold something in the resource, or are about to. */
  get all(): readonly Opening[] {
    return [...this.#live.values()]
  }

  /** How many there are of each kind; `waiting` of them wait for room. */
  census(waiting: number): Census {
    const census = { waiting, open: -waiting, prepared: 0 }
    for (const { branch } of this.#live.values()) census[isOpen(branch) ? 'open' : 'prepared'] += 1
    return census
  }

  live(id: TransactionId): Opening | undefined {
    return this.#live.get(id)
  }

  /** A live one, or one that a note is kept of. */
  find(id: TransactionId): Opening | undefined {
    return this.#live.get(id) ?? this.#notes.get(id)
  }

  /** The trace in which a branch was opened here. */
  traceOf(id: TransactionId): TraceContext | undefined {
    return this.find(id)?.branch.trace
  }

  /** What is known of the row without looking; undefined when one has to look. */
  row(id: TransactionId): Row | undefined {
    const opening = this.#live.get(id)
    return opening && rowOf(opening.branch)
  }

  /** Values of a one-shot that was prepared here. */
  results(id: TransactionId): readonly Payload[] | undefined {
    const ballot = this.#live.get(id)?.branch.ballot
    return ballot?.kind === 'prepared' ? ballot.results : undefined
  }

  hasEnded(id: TransactionId): boolean {
    return this.#ended.get(id) !== undefined
  }

  add(opening: Opening): void {
    this.#notes.delete(opening.id)
    this.#live.set(opening.id, opening)
  }

  /** It holds nothing any more, but a note of it may be kept. False when it was retired before. */
  retire(opening: Opening): boolean {
    const { id, branch } = opening
    if (this.#live.get(id) !== opening) return false
    this.#live.delete(id)
    if (branch.stage !== 'gone') this.#notes.set(id, opening)
    return true
  }

  /** The id has an outcome. */
  ended(id: TransactionId): void {
    this.#notes.delete(id)
    this.#ended.set(id, true)
  }
}
