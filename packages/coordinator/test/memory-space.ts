import { createHash } from 'node:crypto'
import type { StateSpace } from '@verdict/raft'

/** A replica's space in memory, with a hash over all that it holds. */
export class MemorySpace implements StateSpace {
  private readonly entries = new Map<string, Uint8Array>()

  get(key: string): Uint8Array | undefined {
    return this.entries.get(key)
  }

  put(key: string, value: Uint8Array): void {
    this.entries.set(key, Uint8Array.from(value))
  }

  delete(key: string): void {
    this.entries.delete(key)
  }

  list(prefix: string, limit: number, after = ''): readonly (readonly [key: string, value: Uint8Array])[] {
    return this.sorted()
      .filter(([key]) => key.startsWith(prefix) && key > after)
      .slice(0, limit)
  }

  hash(): string {
    const hash = createHash('sha256')
    for (const [key, value] of this.sorted()) hash.update(`${key.length} ${key} ${value.length} `).update(value)
    return hash.digest('hex')
  }

  private sorted(): (readonly [string, Uint8Array])[] {
    return [...this.entries].toSorted(([a], [b]) => (a < b ? -1 : 1))
  }
}
