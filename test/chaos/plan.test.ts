import { expect, test } from 'vitest'
import { faultKinds, planFaults } from './plan.ts'

const minutes = 60_000
const seeds = Array.from({ length: 20 }, (_, seed) => seed)

test('a seed gives the same plan each time, and another seed another one', () => {
  expect(planFaults(1, minutes, faultKinds)).toEqual(planFaults(1, minutes, faultKinds))
  expect(planFaults(1, minutes, faultKinds)).not.toEqual(planFaults(2, minutes, faultKinds))
})

test.each(seeds)('ten minutes of seed %i have every kind of fault', (seed) => {
  const planned = new Set(planFaults(seed, 10 * minutes, faultKinds).map(({ kind }) => kind))
  expect([...planned].toSorted()).toEqual([...faultKinds].toSorted())
})

test('what cannot be had here is not planned', () => {
  const kinds = faultKinds.filter((kind) => !kind.startsWith('cut'))
  const planned = planFaults(3, 10 * minutes, kinds)
  expect(planned.length).toBeGreaterThan(100)
  expect(planned.filter(({ kind }) => kind.startsWith('cut'))).toEqual([])
})

test('at the end of each 45 s nothing is broken, and nothing lasts beyond the end', () => {
  const durationMs = 10 * minutes
  for (const { atMs, durationMs: lastsMs } of planFaults(4, durationMs, faultKinds)) {
    expect((atMs % 45_000) + lastsMs).toBeLessThanOrEqual(39_000)
    expect(atMs + lastsMs).toBeLessThanOrEqual(durationMs)
  }
})

test('at most three last at the same time', () => {
  const planned = planFaults(5, 10 * minutes, faultKinds)
  const crowds = planned.map(
    ({ atMs }) => planned.filter((other) => other.atMs <= atMs && other.atMs + other.durationMs > atMs).length,
  )
  expect(Math.max(...crowds)).toBe(3)
})
