import type { SimulatedDisk } from '@verdict/runtime/simulated'
import { decodeBlock, maxBlockEntries } from '../../src/log-blocks.ts'
import type { Entry, LogIndex, Term } from '../../src/message.ts'
import { decodeBase, decodeStoredState } from '../../src/record.ts'
import type { HardState } from '../../src/state.ts'

/** What the disk of one replica holds at this moment, read past the replica. */
export class Flushed {
  readonly #disk: Pick<SimulatedDisk, 'contents' | 'name'>
  readonly #blocks = new WeakMap<Uint8Array, readonly Entry[]>()
  #read: { readonly bytes: Uint8Array | undefined; readonly hardState: HardState } | undefined

  constructor(disk: Pick<SimulatedDisk, 'contents' | 'name'>) {
    this.#disk = disk
  }

  get hardState(): HardState {
    const bytes = this.#disk.contents.get('raft/state')
    if (this.#read === undefined || this.#read.bytes !== bytes) {
      if (bytes === undefined) throw new Error(`The disk of ${this.#disk.name} holds no term and vote`)
      this.#read = { bytes, hardState: decodeStoredState(bytes, this.#disk.name, []).hardState }
    }
    return this.#read.hardState
  }

  /** Where the log begins: what lies before is part of the space. */
  get baseIndex(): LogIndex {
    return this.#base.index
  }

  /** The term of an entry of the log; undefined where there is none. */
  termAt(index: number): Term | undefined {
    const base = this.#base
    if (index <= base.index) return index === base.index ? base.term : undefined
    for (let last = index; last < index + maxBlockEntries; last++) {
      const bytes = this.#disk.contents.get(`log/${String(last).padStart(16, '0')}`)
      if (bytes !== undefined) return this.#block(bytes, last as LogIndex).find((entry) => entry.index === index)?.term
    }
    return undefined
  }

  #block(bytes: Uint8Array, last: LogIndex): readonly Entry[] {
    const read = this.#blocks.get(bytes) ?? decodeBlock(bytes, last)
    this.#blocks.set(bytes, read)
    return read
  }

  get #base(): ReturnType<typeof decodeBase> {
    return decodeBase(this.#disk.contents.get('raft/base'), this.#disk.name)
  }
}
