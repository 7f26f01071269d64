import type { Disk, SimulatedDisk } from '@verdict/runtime/simulated'
import { plus } from './log.ts'
import type { Medium, MediumView, MediumWriter, PinnedView, RecordName } from './medium.ts'
import { MediumStore, putFirstRecords } from './medium-store.ts'
import type { LogIndex } from './message.ts'
import { refuseInitialised } from './record.ts'
import type { LogStore, StoreIdentity } from './store.ts'

type Contents = Pick<Disk, 'get' | 'list'>

export interface SimulatedStoreOptions extends StoreIdentity {
  /** The disk as a process sees it: `world.disk`. */
  readonly disk: Disk
}

/** Makes the store of a new replica on a disk, before its process starts. @throws StoreError when there is one. */
export function initSimulatedStore(
  options: StoreIdentity & { readonly disk: Pick<SimulatedDisk, 'name' | 'snapshot' | 'restore'> },
): void {
  const { disk } = options
  const contents = new Map(disk.snapshot())
  refuseInitialised(contents.get(recordKey('identity')), disk.name)
  putFirstRecords(
    writerTo((key, bytes) => bytes !== undefined && contents.set(key, bytes)),
    options,
  )
  disk.restore(contents)
}

/** Opens the store of a replica on a simulated disk. @throws StoreError when it is not there, or not this replica's. */
export function openSimulatedStore({ disk, ...identity }: SimulatedStoreOptions): LogStore {
  return new MediumStore(new SimulatedMedium(disk), identity)
}

class SimulatedView implements MediumView {
  readonly place = 'The simulated disk'
  private readonly contents: Contents

  constructor(contents: Contents) {
    this.contents = contents
  }

  record(name: RecordName): Uint8Array | undefined {
    return this.contents.get(recordKey(name))
  }

  *blocks(from: LogIndex, to: LogIndex): Iterable<readonly [last: LogIndex, bytes: Uint8Array]> {
    for (let last = from; last <= to; last = plus(last, 1)) {
      const bytes = this.contents.get(logKey(last))
      if (bytes !== undefined) yield [last, bytes]
    }
  }

  value(generation: number, key: string): Uint8Array | undefined {
    return this.contents.get(spaceKey(generation, key))
  }

  values(
    generation: number,
    prefix: string,
    after: string,
    limit: number,
  ): readonly (readonly [key: string, value: Uint8Array])[] {
    const skipped = spaceKey(generation, '').length
    return this.contents
      .list(spaceKey(generation, prefix))
      .map(([key, value]) => [key.slice(skipped), value] as const)
      .filter(([key]) => key > after)
      .slice(0, limit)
  }
}

class SimulatedMedium extends SimulatedView implements Medium {
  private readonly disk: Disk

  constructor(disk: Disk) {
    super(disk)
    this.disk = disk
  }

  blockIndexes(from: LogIndex, to: LogIndex, limit: number, highest = false): readonly LogIndex[] {
    const found = this.disk
      .list(logPrefix)
      .map(([key]) => Number(key.slice(logPrefix.length)) as LogIndex)
      .filter((index) => index >= from && index <= to)
    return (highest ? found.toReversed() : found).slice(0, limit)
  }

  generations(): readonly number[] {
    return [...new Set(this.disk.list(spacePrefix).map(([key]) => Number(key.split('/')[1])))]
  }

  commit(write: (writer: MediumWriter) => void): Promise<void> {
    const changes = new Map<string, Uint8Array | undefined>()
    write(writerTo((key, bytes) => changes.set(key, bytes)))
    return this.disk.commit(changes)
  }

  pin(): PinnedView {
    const contents = new Map(this.disk.list())
    const list: Disk['list'] = (prefix = '') => [...contents].filter(([key]) => key.startsWith(prefix))
    const view = new SimulatedView({ get: (key) => contents.get(key), list })
    return Object.assign(view, { release: () => contents.clear() })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

function writerTo(change: (key: string, bytes: Uint8Array | undefined) => unknown): MediumWriter {
  return {
    putRecord: (name, bytes) => change(recordKey(name), bytes),
    removeRecord: (name) => change(recordKey(name), undefined),
    putBlock: (last, bytes) => change(logKey(last), bytes),
    removeBlock: (last) => change(logKey(last), undefined),
    putValue: (generation, key, value) => change(spaceKey(generation, key), value),
    removeValue: (generation, key) => change(spaceKey(generation, key), undefined),
  }
}

const logPrefix = 'log/'
const spacePrefix = 'space/'

function recordKey(name: RecordName): string {
  return `raft/${name}`
}

/** Keys in the order of indexes: 16 digits hold every safe integer. */
function logKey(index: number): string {
  return logPrefix + String(index).padStart(16, '0')
}

function spaceKey(generation: number, key: string): string {
  return `${spacePrefix}${generation}/${key}`
}
