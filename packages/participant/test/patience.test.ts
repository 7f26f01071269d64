import { describe, expect, test } from 'vitest'
import { lockPatienceMs, patienceMs } from '../src/patience.ts'
import { defaultSettings } from '../src/settings.ts'
import type { Site } from '../src/site.ts'

const { lockTimeoutMs } = defaultSettings
const chances = [0, 0.25, 0.5, 0.75, 0.999]
const longMs = 60_000

function site(fraction: number): Pick<Site, 'world' | 'settings'> {
  return { world: { random: { fraction: () => fraction } }, settings: defaultSettings } as Pick<
    Site,
    'world' | 'settings'
  >
}

function waits(leftMs: number, ageMs: number): number[] {
  return chances.map((fraction) => lockPatienceMs(site(fraction), leftMs, ageMs))
}

describe('R7: how long a branch waits for a lock', () => {
  test('one that has tried for as long as one may wait always waits longer than one that just began', () => {
    expect(Math.min(...waits(longMs, lockTimeoutMs))).toBeGreaterThan(Math.max(...waits(longMs, 0)))
  })

  test('grows with the age of the transaction, up to the time-out', () => {
    const byAge = [0, 1_000, 2_000, lockTimeoutMs, 10 * lockTimeoutMs].map((ageMs) => waits(longMs, ageMs)[0])
    expect(byAge).toEqual([1_500, 2_000, 2_500, 3_000, 3_000])
  })

  test('is at most half of what is left of the budget, however old it is, and at least a moment', () => {
    expect(Math.max(...waits(1_000, longMs))).toBe(500)
    expect(waits(0, longMs)).toEqual(chances.map(() => 1))
  })

  test('differs by chance', () => {
    expect(new Set(waits(longMs, 0)).size).toBe(chances.length)
  })
})

test('for room everybody waits as long', () => {
  expect(patienceMs(site(0), longMs)).toBe(lockTimeoutMs)
})
