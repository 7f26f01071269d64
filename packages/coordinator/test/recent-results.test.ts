import { expect, test } from 'vitest'
import { RecentResults } from '../src/recent-results.ts'
import { id, value } from './samples.ts'

const whole = [[value('first')], [value('second')]]

test('whole results are kept, as they are', () => {
  const recent = new RecentResults(10_000)
  recent.keep(id(1), whole)
  expect(recent.get(id(1))).toEqual(whole)
  expect(recent.get(id(2))).toBeUndefined()
})

test('results of which some are missing are not kept: nobody could be answered with them', () => {
  const recent = new RecentResults(10_000)
  recent.keep(id(1), [[value('first')], undefined])
  expect(recent.get(id(1))).toBeUndefined()
})

test('the oldest give way when there are too many', () => {
  const recent = new RecentResults(10_000)
  for (let number = 1; number <= 100; number += 1) recent.keep(id(number), whole)
  const kept = Array.from({ length: 100 }, (_, place) => recent.get(id(place + 1)) !== undefined)
  expect(kept.indexOf(true)).toBeGreaterThan(50)
  expect(kept.lastIndexOf(false)).toBe(kept.indexOf(true) - 1)
})

test('what is kept does not change with the message that it came in', () => {
  const recent = new RecentResults(10_000)
  const bytes = Uint8Array.from(value('first'))
  recent.keep(id(1), [[bytes as ReturnType<typeof value>]])
  bytes.fill(0)
  expect(recent.get(id(1))).toEqual([[value('first')]])
})

test('what is forgotten is not kept, and makes room', () => {
  const recent = new RecentResults(10_000)
  for (let round = 0; round < 100; round += 1) {
    recent.keep(id(1), whole)
    recent.drop(id(1))
    recent.drop(id(1))
  }
  expect(recent.get(id(1))).toBeUndefined()
  for (let number = 1; number <= 10; number += 1) recent.keep(id(number), whole)
  expect(recent.get(id(1))).toEqual(whole)
})
