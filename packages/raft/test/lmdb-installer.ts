// Stages and installs one snapshot after another into the LMDB store in the folder given, and says each that is installed. A test
// kills it.
import { writeSync } from 'node:fs'
import { openLmdbStore } from '../src/lmdb-store.ts'
import { chunkAt, headerAt } from './snapshot-contract.ts'
import { batchOf, entryAt, identity } from './store-contract.ts'

const path = process.argv[2]
if (path === undefined) throw new Error('Expected the folder of a store.')
const store = await openLmdbStore({ ...identity, path })
for (;;) {
  const { appliedIndex } = store.state
  await store.write(batchOf({ ...store.state, entries: [entryAt(appliedIndex + 1, 3), entryAt(appliedIndex + 2, 3)] }))
  const header = headerAt(appliedIndex + 10)
  const keys = Array.from({ length: 300 }, (_, at) => `${1000 + at}`)
  for (let from = 0; from < keys.length; from += 100) {
    const after = from === 0 ? '' : (keys[from - 1] ?? '')
    await store.write(batchOf({ ...store.state, chunk: chunkAt(header, after, keys.slice(from, from + 100)) }))
  }
  await store.install(store.state.hardState, header)
  writeSync(1, `${header.index}\n`)
}
