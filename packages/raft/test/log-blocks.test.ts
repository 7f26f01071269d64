import { Simulation } from '@verdict/runtime/simulated'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MalformedMessageError } from '../src/errors.ts'
import { entryBytes } from '../src/log.ts'
import { blocksOf, decodeBlock, encodeBlock, maxBlockBytes, maxBlockEntries } from '../src/log-blocks.ts'
import type { Entry, LogIndex, Term } from '../src/message.ts'
import { initSimulatedStore, openSimulatedStore } from '../src/simulated-store.ts'
import type { LogStore } from '../src/store.ts'
import { batchOf, entryAt, identity } from './store-contract.ts'

function entriesFrom(first: number, sizes: readonly number[]): readonly Entry[] {
  return sizes.map((size, place) => ({
    index: (first + place) as LogIndex,
    term: 3 as Term,
    kind: place % 5 === 0 ? 'noop' : 'command',
    command: new Uint8Array(size).fill(place),
  }))
}

const someEntries = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 40 }), fc.array(fc.nat(2_000), { minLength: 1, maxLength: 200 }))
  .map(([first, sizes]) => entriesFrom(first, sizes))

test('blocks hold all entries in their order, and come back as they were written', () => {
  fc.assert(
    fc.property(someEntries, (entries) => {
      const read = [...blocksOf(entries)].flatMap((block) => {
        const last = block.at(-1)?.index ?? (0 as LogIndex)
        return decodeBlock(new Uint8Array(encodeBlock(block)), last) // not a Buffer, whose parts would be Buffers
      })
      expect(read).toEqual(entries)
    }),
  )
})

test('a block has no more entries and bytes than its bounds say, but for one entry that is larger', () => {
  fc.assert(
    fc.property(someEntries, (entries) => {
      for (const block of blocksOf(entries)) {
        expect(block.length).toBeLessThanOrEqual(maxBlockEntries)
        const bytes = block.reduce((sum, entry) => sum + entryBytes(entry), 0)
        if (block.length > 1) expect(bytes).toBeLessThanOrEqual(maxBlockBytes)
      }
    }),
  )
  expect([...blocksOf(entriesFrom(1, [10, 2 * maxBlockBytes, 10]))].map((block) => block.length)).toEqual([1, 1, 1])
})

test('what is no block is refused: another version, no entry, more entries than there are indexes, bytes behind its end', () => {
  const bytes = encodeBlock([entryAt(1, 1), entryAt(2, 1)])
  const wrong = [[9, ...bytes.slice(1)], [2, 0], [...bytes, 0], bytes.slice(0, -1)].map((found) =>
    Uint8Array.from(found),
  )
  for (const found of wrong) expect(() => decodeBlock(found, 2 as LogIndex)).toThrow(MalformedMessageError)
  expect(() => decodeBlock(bytes, 1 as LogIndex)).toThrow(MalformedMessageError)
})

/** What a log goes through: entries at its end or over its end, and its beginning forgotten. */
type Change = { readonly kind: 'append' | 'overwrite' | 'compact'; readonly place: number; readonly count: number }

const someChanges: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('append', 'append', 'overwrite', 'compact'),
    place: fc.nat(1_000),
    count: fc.integer({ min: 1, max: 150 }),
  }),
  { maxLength: 12 },
)

test('a log in blocks is the log that was written, however it was added to, cut off, overwritten and compacted', async () => {
  await fc.assert(
    fc.asyncProperty(someChanges, (changes) =>
      onSimulatedDisk(async (open) => {
        let store = open()
        let log: readonly Entry[] = []
        for (const [term, { kind, place, count }] of changes.entries()) {
          const base = store.base.index
          const room = store.lastIndex - base
          if (kind === 'compact') {
            const compactTo = (base + Math.min(room, 1 + (place % 100))) as LogIndex
            const appliedIndex = Math.max(compactTo, store.state.appliedIndex) as LogIndex
            await store.write(batchOf({ appliedIndex }))
            if (compactTo > base) await store.write(batchOf({ appliedIndex, compactTo }))
          } else {
            const applied = store.state.appliedIndex
            const first =
              kind === 'append' ? store.lastIndex + 1 : applied + 1 + (place % (store.lastIndex - applied + 1))
            const entries = Array.from({ length: count }, (_, offset) => entryAt(first + offset, term + 1))
            await store.write(batchOf({ appliedIndex: applied, entries }))
            log = [...log.slice(0, first - 1), ...entries]
          }
          expect(shown(store)).toEqual(described(log.slice(store.base.index)))
          store = open()
          expect(shown(store)).toEqual(described(log.slice(store.base.index)))
          expect(store.lastIndex).toBe(log.length)
        }
      }),
    ),
    { numRuns: 60 },
  )
})

function shown(store: LogStore): readonly string[] {
  const first = (store.base.index + 1) as LogIndex
  return described(store.read(first, Number.MAX_SAFE_INTEGER - first, Number.POSITIVE_INFINITY))
}

function described(entries: readonly Entry[]): readonly string[] {
  return entries.map(({ index, term, command }) => `${index} ${term} ${Buffer.from(command).toString()}`)
}

async function onSimulatedDisk(body: (open: () => LogStore) => Promise<void>): Promise<void> {
  const simulation = new Simulation({ seed: 1 })
  let ended: Promise<void> | undefined
  let isOver = false
  const process = simulation.process('n1', (world) => {
    ended = body(() => openSimulatedStore({ ...identity, disk: world.disk })).finally(() => {
      isOver = true
    })
    return ended
  })
  initSimulatedStore({ ...identity, disk: process.disk })
  process.start()
  await simulation.runUntil(() => isOver, { withinMs: 100_000 })
  await ended
}
