import { describe, expect, test } from 'vitest'
import { calledList, idOf, oneShotList, payloadOf } from './names.ts'
import { Stage, writing } from './stage.ts'

const refusedAs = (code: string) => ({ kind: 'refused', reason: { code, retryable: true } })
const wrote = (value: string) => ({ kind: 'value', value: payloadOf({ wrote: value }) })

/** First calls for which there is no room. */
async function inLine(stage: Stage, ...numbers: readonly number[]): Promise<void> {
  for (const n of numbers) stage.call({ operation: 'write', id: idOf(n) }, { value: `${n}` })
  await stage.settle()
}

/** The answers to what came once there was no room. */
const later = (stage: Stage) => stage.results.slice(stage.store.capacity)
const opens = (stage: Stage): number => stage.store.log.filter((method) => method === 'open').length

describe('beyond the capacity a first call', () => {
  test('waits in line, and is served in order as branches end, never more at a time than there is room for', async () => {
    const stage = await Stage.set()
    const tokens = await stage.filled()
    await inLine(stage, 101, 102, 103)
    for (const [ended, token] of tokens.slice(0, 3).entries()) {
      expect(later(stage)).toEqual(['101', '102', '103'].slice(0, ended).map(wrote))
      expect(stage.store.open.size).toBe(stage.store.capacity)
      stage.release(idOf(ended + 1), token)
      await stage.settle()
    }
    await inLine(stage, 104)
    expect(later(stage)).toEqual(['101', '102', '103'].map(wrote))
    expect(stage.store.open.size).toBe(stage.store.capacity)
  })

  test('waits until the resource has rolled back an open branch', async () => {
    const stage = await Stage.set()
    const [token] = await stage.filled()
    await inLine(stage, 101)
    const rollback = stage.store.hold('rollback')
    stage.release(idOf(1), token)
    await stage.settle()
    expect(later(stage)).toEqual([])
    rollback()
    await stage.settle()
    expect(later(stage)).toEqual([wrote('101')])
  })

  test('waits until the resource has ended a prepared branch; to end it takes no room', async () => {
    const stage = await Stage.set()
    const [token] = await stage.filled()
    const list = calledList(stage.instance(), token, 1)
    stage.prepare(list, { to: stage.instance() })
    await inLine(stage, 101)
    const finish = stage.store.hold('finish')
    stage.outcome('committed', list, token, { to: stage.instance() })
    await stage.settle()
    expect(later(stage)).toEqual([])
    finish()
    await stage.settle()
    expect(later(stage)).toEqual([wrote('101')])
  })

  test('waits as long as for a lock, is refused as overloaded, and takes no room later', async () => {
    const stage = await Stage.set({ lockTimeoutMs: 1_000 })
    const [token] = await stage.filled()
    await inLine(stage, 101)
    await stage.settle(700)
    expect(later(stage)).toEqual([])
    await stage.settle(300)
    expect(later(stage)).toMatchObject([refusedAs('overloaded')])
    stage.release(idOf(1), token)
    await stage.settle()
    expect(opens(stage)).toBe(stage.store.capacity)
  })

  test('waits no longer than half of its budget', async () => {
    const stage = await Stage.set()
    await stage.filled()
    stage.call({ operation: 'write', id: idOf(101), leftMs: 400 }, { value: 'b' })
    await stage.settle(210)
    expect(later(stage)).toMatchObject([refusedAs('overloaded')])
  })

  test('that has waited gives its locks no more than what is left of its budget', async () => {
    const stage = await Stage.set()
    const [token] = await stage.filled()
    stage.call({ operation: 'write', id: idOf(101), leftMs: 1_000 }, { value: 'b' })
    await stage.settle(300)
    stage.release(idOf(1), token)
    await stage.settle()
    expect(later(stage)).toEqual([wrote('b')])
    expect(stage.store.lockTimeoutsMs.at(-1)).toBeLessThanOrEqual(350)
  })

  test('of a transaction that is aborted meanwhile leaves the line, and its place to others', async () => {
    const stage = await Stage.set({ maxWaitingForRoom: 1 })
    const [token] = await stage.filled()
    await inLine(stage, 101)
    stage.outcome('aborted', calledList(stage.instance(), token, 1), undefined, { id: idOf(101) })
    await stage.settle()
    await inLine(stage, 102)
    expect(later(stage)).toMatchObject([refusedAs('client-aborted')])
    stage.release(idOf(1), token)
    await stage.settle()
    expect(later(stage)).toMatchObject([refusedAs('client-aborted'), wrote('102')])
    expect(opens(stage)).toBe(stage.store.capacity + 1)
  })

  test('is refused at once when the line is full, and leaves those in line their turn', async () => {
    const stage = await Stage.set({ maxWaitingForRoom: 2 })
    const tokens = await stage.filled()
    await inLine(stage, 101, 102, 103)
    expect(later(stage)).toMatchObject([refusedAs('overloaded')])
    for (const [ended, token] of tokens.slice(0, 2).entries()) stage.release(idOf(ended + 1), token)
    await stage.settle()
    expect(later(stage)).toMatchObject([refusedAs('overloaded'), wrote('101'), wrote('102')])
  })

  test('doubled while it waits, is joined: one opening, one run', async () => {
    const stage = await Stage.set()
    const [token] = await stage.filled()
    await inLine(stage, 101, 101)
    stage.release(idOf(1), token)
    await stage.settle()
    expect(later(stage)).toEqual([wrote('101')])
    expect(opens(stage)).toBe(stage.store.capacity + 1)
  })
})

test('beyond the capacity a one-shot waits, joined by what is sent again, and votes once it has run', async () => {
  const stage = await Stage.set()
  const [token] = await stage.filled()
  const operations = [writing('b')]
  for (let n = 0; n < 2; n += 1) stage.prepare(oneShotList(operations), { operations, id: idOf(101) })
  await stage.settle()
  expect(stage.said('vote')).toEqual([])
  stage.release(idOf(1), token)
  await stage.settle()
  expect(stage.said('vote')).toMatchObject([{ vote: { kind: 'prepared' } }])
  expect(opens(stage)).toBe(stage.store.capacity + 1)
})

test('an instance that stops refuses those in line at once, and stops when those inside have ended', async () => {
  const stage = await Stage.set({ drainMs: 2_000 })
  const tokens = await stage.filled()
  await inLine(stage, 101)
  const operations = [writing('b')]
  stage.prepare(oneShotList(operations), { operations, id: idOf(102) })
  await stage.settle()
  let isStopped = false
  void stage.servings[0]?.stop().then(() => {
    isStopped = true
  })
  await stage.settle()
  expect(later(stage)).toMatchObject([refusedAs('draining')])
  expect(stage.said('vote')).toMatchObject([{ vote: refusedAs('draining') }])
  expect(isStopped).toBe(false)
  for (const [position, token] of tokens.entries()) stage.release(idOf(position + 1), token)
  await stage.settle()
  expect(isStopped).toBe(true)
  expect(opens(stage)).toBe(stage.store.capacity)
})
