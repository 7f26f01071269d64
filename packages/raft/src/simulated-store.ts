import type { Disk, SimulatedDisk } from '@verdict/runtime/simulated'
import { decodeEntry, encodeEntry } from './codec.ts'
import { within } from './log.ts'
import type { Entry, LogIndex, Term } from './message.ts'
import {
  checkIdentity,
  damaged,
  decodeStoredState,
  encodeIdentity,
  encodeStoredState,
  refuseInitialised,
} from './record.ts'
import type { LogStore, StoreBatch, StoredState, StoreIdentity } from './store.ts'

const identityKey = 'raft/identity'
const stateKey = 'raft/state'
const logPrefix = 'log/'
const spacePrefix = 'space/'

export interface SimulatedStoreOptions extends StoreIdentity {
  /** The disk as a process sees it: `world.disk`. */
  readonly disk: Disk
}

/** Makes the store of a new replica on a disk, before its process starts. @throws StoreError when there is one. */
export function initSimulatedStore(options: StoreIdentity & { readonly disk: SimulatedDisk }): void {
  const { disk } = options
  const contents = disk.snapshot()
  refuseInitialised(contents.get(identityKey), disk.name)
  const hardState = { term: 0 as Term, votedFor: undefined }
  disk.restore(
    new Map([
      ...contents,
      [identityKey, encodeIdentity(options)],
      [stateKey, encodeStoredState({ hardState, appliedIndex: 0 as LogIndex })],
    ]),
  )
}

/** Opens the store of a replica on a simulated disk. @throws StoreError when it is not there, or not this replica's. */
export function openSimulatedStore(options: SimulatedStoreOptions): LogStore {
  checkIdentity(options.disk.get(identityKey), options, 'The simulated disk')
  return new SimulatedStore(options.disk)
}

class SimulatedStore implements LogStore {
  state: StoredState
  lastIndex: LogIndex
  private readonly disk: Disk

  constructor(disk: Disk) {
    this.disk = disk
    const state = disk.get(stateKey)
    if (state === undefined) throw damaged('The simulated disk', 'term and vote')
    this.state = decodeStoredState(state, 'The simulated disk')
    this.lastIndex = Number(disk.list(logPrefix).at(-1)?.[0].slice(logPrefix.length) ?? 0) as LogIndex
  }

  read(from: LogIndex, maxEntries: number, maxBytes: number): readonly Entry[] {
    const entries: Entry[] = []
    for (let index = from; index <= this.lastIndex && entries.length < maxEntries; index++) {
      const bytes = this.disk.get(logKey(index))
      if (bytes === undefined) throw damaged('The simulated disk', `entry ${index}`)
      entries.push(decodeEntry(bytes, index))
    }
    return within(entries, maxBytes)
  }

  get(key: string): Uint8Array | undefined {
    return this.disk.get(spacePrefix + key)
  }

  list(prefix: string, limit: number, after = ''): readonly (readonly [key: string, value: Uint8Array])[] {
    return this.disk
      .list(spacePrefix + prefix)
      .map(([key, value]) => [key.slice(spacePrefix.length), value] as const)
      .filter(([key]) => key > after)
      .slice(0, limit)
  }

  write({ hardState, appliedIndex, entries, changes }: StoreBatch): Promise<void> {
    const written = new Map<string, Uint8Array | undefined>([
      [stateKey, encodeStoredState({ hardState, appliedIndex })],
    ])
    for (const entry of entries) written.set(logKey(entry.index), encodeEntry(entry))
    const last = entries.at(-1)?.index ?? this.lastIndex
    for (let index = last + 1; index <= this.lastIndex; index++) written.set(logKey(index), undefined)
    for (const [key, value] of changes) written.set(spacePrefix + key, value)
    return this.disk.commit(written).then(() => {
      this.state = { hardState, appliedIndex }
      this.lastIndex = last
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** Keys in the order of indexes: 16 digits hold every safe integer. */
function logKey(index: number): string {
  return logPrefix + String(index).padStart(16, '0')
}
