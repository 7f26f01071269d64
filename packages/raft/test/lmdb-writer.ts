// Writes batches to the LMDB store in the folder given, as fast as they land, and says each that did on its output. A test kills it.
import { writeSync } from 'node:fs'
import { openLmdbStore } from '../src/lmdb-store.ts'
import type { LogIndex, Term } from '../src/message.ts'
import { batchOf, entryAt, identity } from './store-contract.ts'

const path = process.argv[2]
if (path === undefined) throw new Error('Expected the folder of a store.')
const store = await openLmdbStore({ ...identity, path })
for (let term = store.state.hardState.term + 1; ; term++) {
  // Now and then a new leader cuts the last entry off.
  const first = Math.max(1, store.lastIndex + 1 - (term % 5 === 0 ? 1 : 0))
  const entries = Array.from({ length: 1 + (term % 7) }, (_, place) => entryAt(first + place, term))
  const hardState = { term: term as Term, votedFor: identity.replica }
  const changes = new Map([['last', Buffer.from(`${term}`)]])
  await store.write(batchOf({ hardState, entries, appliedIndex: (first - 1) as LogIndex, changes }))
  writeSync(1, `${term} ${store.lastIndex}\n`)
}
