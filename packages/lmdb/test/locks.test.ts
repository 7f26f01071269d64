import type { TransactionId } from '@verdict/protocol'
import { beforeEach, expect, test } from 'vitest'
import { LockAbandonedError, LockDeadlockError, LockTable, LockTimeoutError } from '../src/locks.ts'

interface Owner {
  readonly name: string
  readonly id?: TransactionId
}

let fire: (() => void)[]
let locks: LockTable<Owner>
const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]

const clock = {
  after(_delayMs: number, callback: () => void) {
    fire.push(callback)
    return { cancel: () => void fire.splice(fire.indexOf(callback), 1) }
  },
}

/** Who has got the lock so far, in order. */
function watch(log: string[], owner: Owner, key: string, mode: 'shared' | 'exclusive' | 'intent') {
  return locks.acquire(owner, key, mode, 100).then(
    () => void log.push(owner.name),
    (error: Error) => void log.push(`${owner.name}: ${error.name}`),
  )
}
const settled = () => new Promise((resolve) => setImmediate(resolve))

beforeEach(() => {
  fire = []
  locks = new LockTable(clock)
})

test.each([
  ['shared', 'shared', true],
  ['intent', 'intent', true],
  ['shared', 'intent', false],
  ['shared', 'exclusive', false],
  ['exclusive', 'exclusive', false],
  ['intent', 'exclusive', false],
] as const)('%s and %s go together: %j', async (first, second, together) => {
  const log: string[] = []
  void watch(log, a, 'k', first)
  void watch(log, b, 'k', second)
  await settled()
  expect(log).toEqual(together ? ['a', 'b'] : ['a'])
  locks.release(a)
  await settled()
  expect(log).toEqual(['a', 'b'])
})

test('nobody passes an earlier waiter', async () => {
  const log: string[] = []
  await watch(log, a, 'k', 'shared')
  void watch(log, b, 'k', 'exclusive')
  void watch(log, c, 'k', 'shared')
  await settled()
  expect(log).toEqual(['a'])
  locks.release(a)
  await settled()
  expect(log).toEqual(['a', 'b'])
})

test('a reader that wants to write waits for the other readers alone', async () => {
  const log: string[] = []
  await watch(log, a, 'k', 'shared')
  await watch(log, b, 'k', 'shared')
  void watch(log, c, 'k', 'exclusive')
  void watch(log, a, 'k', 'exclusive')
  await settled()
  locks.release(b)
  await settled()
  expect(log).toEqual(['a', 'b', 'a'])
})

test('of two readers that both want to write the second is told at once, and the first gets it when the second ends', async () => {
  const log: string[] = []
  await watch(log, a, 'k', 'shared')
  await watch(log, b, 'k', 'shared')
  expect(() => locks.checkUpgrade(a, 'k', 'exclusive')).not.toThrow()
  void watch(log, a, 'k', 'exclusive')
  expect(() => locks.checkUpgrade(b, 'k', 'shared')).not.toThrow() // it has that
  expect(() => locks.checkUpgrade(c, 'k', 'exclusive')).not.toThrow() // it waits, and nobody waits for it
  expect(() => locks.checkUpgrade(b, 'k', 'exclusive')).toThrow(LockDeadlockError)
  expect(() => locks.checkUpgrade(b, 'k', 'exclusive')).toThrow(
    /^The lock of "k" is held by several .* another branch \(shared\)/,
  )
  locks.release(b)
  await settled()
  expect(log).toEqual(['a', 'b', 'a'])
})

test('a wait that takes too long fails, and lets those behind it go on', async () => {
  const log: string[] = []
  await watch(log, a, 'k', 'shared')
  void watch(log, b, 'k', 'exclusive')
  void watch(log, c, 'k', 'shared')
  fire[0]?.()
  await settled()
  expect(log).toEqual(['a', 'b: LockTimeoutError', 'c'])
  const waiting = locks.acquire(b, 'k', 'exclusive', 7)
  fire.at(-1)?.()
  await expect(waiting).rejects.toThrow(LockTimeoutError)
})

test('an owner that ends while it waits is told so, and gets nothing', async () => {
  await locks.acquire(a, 'k', 'exclusive', 100)
  const waiting = locks.acquire(b, 'k', 'exclusive', 100)
  locks.release(b)
  await expect(waiting).rejects.toThrow(LockAbandonedError)
  locks.release(a)
  expect(locks.held()).toEqual([])
  expect(fire).toEqual([])
})

test('locks of before a restart are held again, and two holders of one are a broken invariant', () => {
  locks.restore(a, 'k', 'exclusive')
  expect(locks.heldBy(a)).toEqual([['k', 'exclusive']])
  expect(() => locks.restore(b, 'k', 'shared')).toThrow('broken invariant')
})

test('a lock that was not free in time is explained with who held it, or who came before', async () => {
  const [holder, first, last] = ['t1', 't2', undefined].map((id) => ({
    name: 'x',
    id: id as TransactionId | undefined,
  }))
  if (!holder || !first || !last) throw new Error('Broken invariant: three were made.')
  const table = new LockTable<{ id?: TransactionId | undefined }>(clock)
  await table.acquire(holder, 'k', 'shared', 100)
  const waits = [table.acquire(first, 'k', 'exclusive', 100), table.acquire(last, 'k', 'shared', 100)]
  fire[1]?.()
  await expect(waits[1]).rejects.toMatchObject({ heldBy: [{ what: 'k', mode: 'shared', transaction: 't1' }] })
  fire[0]?.()
  await expect(waits[0]).rejects.toThrow(
    '"k" was not free within 100 ms: k is held by transaction t1 (shared). Try again.',
  )
  const upgrade = table.acquire(holder, 'k', 'exclusive', 100)
  await expect(upgrade).resolves.toBeUndefined()
  const behind = table.acquire(last, 'k', 'exclusive', 100)
  fire.at(-1)?.()
  await expect(behind).rejects.toMatchObject({ heldBy: [{ mode: 'exclusive', transaction: 't1' }] })
})
