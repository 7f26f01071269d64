import { expect, test } from 'vitest'
import { maxNeededBytes, nextCompaction } from '../src/compaction.ts'
import { LogSizes } from '../src/log-sizes.ts'
import type { LogIndex, Term } from '../src/message.ts'
import { maxCompactedPerWrite } from '../src/store.ts'

/** A log from one index to another, of entries of the same size, all applied. */
function logOf(from: number, to: number, entryBytes: number): Parameters<typeof nextCompaction>[0] {
  const sizes = new LogSizes()
  for (let index = from + 1; index <= to; index++) sizes.added(index as LogIndex, entryBytes)
  const membership = { index: 0 as LogIndex, voters: [], learners: [] }
  const hardState = { term: 1 as Term, votedFor: undefined }
  return {
    base: { index: from as LogIndex, term: 1 as Term },
    state: { hardState, appliedIndex: to as LogIndex, membership },
    sizes,
  }
}

const policy = { retainedEntries: 1000, retainedBytes: 8 * 1024 * 1024 }

test('what is within the policy stays, and what is not goes once it is worth a write', () => {
  expect(nextCompaction(logOf(0, 1100, 100), policy, {})).toBeUndefined()
  expect(nextCompaction(logOf(0, 1250, 100), policy, {})).toBe(250)
  expect(nextCompaction(logOf(250, 1250, 100), policy, {})).toBeUndefined()
})

test('one write forgets a bounded part of a long log', () => {
  expect(nextCompaction(logOf(500, 100_000, 100), policy, {})).toBe(500 + maxCompactedPerWrite)
})

test('a few large entries count as much as many small ones', () => {
  const compactTo = nextCompaction(logOf(0, 200, 100_000), policy, {}) as number
  expect((200 - compactTo) * 100_000).toBeGreaterThanOrEqual(policy.retainedBytes)
  expect((200 - compactTo) * 100_000).toBeLessThan(policy.retainedBytes + 2 * 1024 * 1024)
})

test('what follows a snapshot that is being sent stays, and goes when it has arrived', () => {
  const log = logOf(100, 10_000, 100)
  expect(nextCompaction(log, policy, { snapshotIndex: 400 as LogIndex })).toBe(400)
  expect(nextCompaction(log, policy, { snapshotIndex: 400 as LogIndex, neededIndex: 100 as LogIndex })).toBeUndefined()
})

test('what followers need goes in steps, not with each entry that they acknowledge', () => {
  const log = logOf(100, 10_000, 100)
  expect(nextCompaction(log, policy, { neededIndex: 349 as LogIndex })).toBeUndefined()
  expect(nextCompaction(log, policy, { neededIndex: 350 as LogIndex })).toBe(350)
})

test('the log does not grow without bound for a follower that catches up', () => {
  const entryBytes = 1024 * 1024
  const most = maxNeededBytes / entryBytes
  const needs = { neededIndex: 0 as LogIndex }
  expect(nextCompaction(logOf(0, most, entryBytes), policy, needs)).toBeUndefined()
  expect(nextCompaction(logOf(0, most + 10, entryBytes), policy, needs)).toBe(10)
})

test('what follows a snapshot stays however large it is: else that would arrive in vain', () => {
  const log = logOf(0, 5_000, 1024 * 1024)
  expect(nextCompaction(log, policy, { snapshotIndex: 0 as LogIndex })).toBeUndefined()
  expect(nextCompaction(log, policy, { snapshotIndex: 500 as LogIndex, neededIndex: 0 as LogIndex })).toBe(500)
})

test('entries that were cut off, or forgotten, are not counted again', () => {
  const { sizes } = logOf(0, 100, 500_000)
  sizes.removedFrom(50 as LogIndex)
  expect(sizes.indexBehind(0)).toBeLessThan(50)
  sizes.removedUpTo(49 as LogIndex)
  expect(sizes.indexBehind(0)).toBe(0)
})
