import type { LogIndex } from '@verdict/raft'
import { describe, expect, test } from 'vitest'
import { Backlog } from '../src/backlog.ts'
import { p, q, s } from './samples.ts'

const index = (number: number): LogIndex => number as LogIndex

/** Takes all that may be taken. */
function takeAll(backlog: Backlog): number[] {
  const taken: number[] = []
  for (let next = backlog.take(); next !== undefined; next = backlog.take()) taken.push(next.index)
  return taken
}

/** Fills the window of a participant. */
function fill(backlog: Backlog, participant: typeof p, count: number): void {
  for (let told = 0; told < count; told += 1) backlog.told(participant)
}

describe('what waits', () => {
  test('comes out in the order in which it came, with whom it waits for', () => {
    const backlog = new Backlog(8)
    backlog.add(index(3), [p])
    backlog.add(index(1), [p])
    expect(backlog.size).toBe(2)
    expect([backlog.take(), backlog.take(), backlog.take()]).toEqual([
      { index: 3, waitingFor: [p] },
      { index: 1, waitingFor: [p] },
      undefined,
    ])
    expect([backlog.size, backlog.isReady]).toEqual([0, false])
  })

  test('stays while none of those that it waits for has room', () => {
    const backlog = new Backlog(2)
    fill(backlog, p, 2)
    backlog.add(index(1), [p])
    expect([backlog.isReady, backlog.take()]).toEqual([false, undefined])
    backlog.untold(p)
    expect([backlog.isReady, backlog.take()?.index]).toEqual([true, 1])
  })

  test('comes out when one of those that it waits for has room', () => {
    const backlog = new Backlog(1)
    fill(backlog, p, 1)
    backlog.add(index(1), [p, q])
    expect(backlog.take()).toEqual({ index: 1, waitingFor: [p, q] })
  })

  test('for one participant does not keep back what waits for another, and lanes of one take turns', () => {
    const backlog = new Backlog(1)
    fill(backlog, p, 1)
    for (const number of [1, 2, 3]) backlog.add(index(number), [p])
    for (const number of [4, 5]) backlog.add(index(number), [q])
    for (const number of [6, 7]) backlog.add(index(number), [q, s])
    expect(takeAll(backlog)).toEqual([4, 6, 5, 7])
    backlog.untold(p)
    expect(takeAll(backlog)).toEqual([1, 2, 3])
  })

  test('takes no room that grows with what has come and gone', () => {
    const backlog = new Backlog(1)
    for (let number = 0; number < 100_000; number += 1) {
      backlog.add(index(number), [p])
      backlog.add(index(number), [p])
      backlog.take()
      if (number % 2 === 1) takeAll(backlog)
    }
    expect(backlog.size).toBe(0)
  })
})

test('one that has more to acknowledge than its window is crowded: what is on its way and what waits count', () => {
  const backlog = new Backlog(2)
  fill(backlog, p, 1)
  backlog.add(index(1), [p])
  expect([backlog.isCrowded(p), backlog.hasRoom(p)]).toEqual([false, true])
  backlog.add(index(2), [p])
  expect([backlog.isCrowded(p), backlog.hasRoom(p), backlog.isCrowded(q)]).toEqual([true, true, false])
})
