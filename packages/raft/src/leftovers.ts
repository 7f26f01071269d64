import { plus } from './log.ts'
import type { Medium, MediumWriter } from './medium.ts'
import type { LogIndex } from './message.ts'
import type { StoredBase, StoredStaged } from './record.ts'

/** What nothing refers to any more since a snapshot took its place. It goes bit by bit: no write waits for all of it. */
export class Leftovers {
  private readonly medium: Medium
  /** Generations of the space that count no more. */
  private generations: number[]
  /** Entries up to here do not belong to the log any more. */
  private entriesUpTo: LogIndex
  private lastGeneration: number

  constructor(medium: Medium, base: StoredBase, staged: StoredStaged | undefined) {
    const found = medium.generations()
    this.medium = medium
    this.generations = found.filter((generation) => generation !== base.generation && generation !== staged?.generation)
    this.entriesUpTo = base.index
    this.lastGeneration = Math.max(base.generation, staged?.generation ?? 0, ...found)
  }

  /** One that was never used: values of an earlier one must not be taken for its own. */
  newGeneration(): number {
    return ++this.lastGeneration
  }

  addGeneration(generation: number): void {
    this.generations.push(generation)
  }

  addEntries(upTo: LogIndex): void {
    this.entriesUpTo = upTo
  }

  /** Removes up to `limit` of each kind. Whoever looks at what is on disk meanwhile may see them again, and removes them again. */
  remove(writer: MediumWriter, limit: number): void {
    const [generation] = this.generations
    if (generation !== undefined) {
      const keys = [...this.medium.values(generation, '', '', limit)].map(([key]) => key)
      for (const key of keys) writer.removeValue(generation, key)
      if (keys.length === 0) this.generations.shift()
    }
    if (this.entriesUpTo === 0) return
    const indexes = this.medium.blockIndexes(plus(0 as LogIndex, 1), this.entriesUpTo, limit)
    for (const index of indexes) writer.removeBlock(index)
    if (indexes.length === 0) this.entriesUpTo = 0 as LogIndex
  }
}
