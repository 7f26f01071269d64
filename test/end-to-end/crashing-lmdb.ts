import {
  type Key,
  open as openStore,
  type RootDatabase,
  type RootDatabaseOptions,
  type RootDatabaseOptionsWithPath,
} from 'lmdb'
import { reach, type Step } from './crash-point.ts'

type Store = RootDatabase<Buffer, Key>

/** Opens a store as lmdb does; its batches can be made to crash before or after their flush. */
export function open(place: string | RootDatabaseOptionsWithPath, options: RootDatabaseOptions = {}): Store {
  const store = openStore<Buffer, Key>(typeof place === 'string' ? { ...options, path: place } : place)
  const put = store.put.bind(store)
  const remove = store.remove.bind(store)
  const batch = store.batch.bind(store)
  let steps: Set<Step> = new Set()
  const watched = {
    put(key: Key, value: Buffer): Promise<boolean> {
      const step = stepOf(key, value)
      if (step !== undefined) steps.add(step)
      return put(key, value)
    },
    remove(key: Key): Promise<boolean> {
      if (spaceOf(key) === 'p') steps.add('flush of an ended branch')
      return remove(key)
    },
    async batch(work: () => void): Promise<boolean> {
      const mine = new Set<Step>()
      const flushed = batch(() => {
        steps = mine
        work()
        for (const step of mine) reach(`before ${step}`)
      })
      const result = await flushed
      for (const step of mine) reach(`after ${step}`)
      return result
    },
  }
  return Object.assign(store, watched)
}

/** The first byte of a key says what it is: `p` a prepared branch of a participant, `L` an entry of a replica's log. */
function stepOf(key: Key, value: Buffer): Step | undefined {
  if (spaceOf(key) === 'p') return 'flush of a prepared branch'
  return spaceOf(key) === 'L' && value.includes(decideInMessagePack) ? 'flush of a decision' : undefined
}

const decideInMessagePack = Buffer.from('\xa6decide', 'latin1')

function spaceOf(key: Key): string {
  return Buffer.isBuffer(key) ? key.toString('latin1', 0, 1) : ''
}
