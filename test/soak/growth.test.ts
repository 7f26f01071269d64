import { expect, test } from 'vitest'
import { chart } from './chart.ts'
import { growthOf } from './growth.ts'
import type { Watched } from './sample.ts'

const mib = 1024 * 1024

/** Forty samples of one gauge. */
function watched(valueAt: (share: number) => number): Watched {
  const samples = Array.from({ length: 40 }, (_, place) => ({ at: place + 1, values: [valueAt((place + 1) / 40)] }))
  return { title: 'a run & more', decided: 40, along: 'seconds', gauges: [{ name: 'memory', unit: 'bytes' }], samples }
}

test.each([
  ['what is full after a warm-up', (share: number) => Math.min(1, 4 * share) * 200 * mib, false],
  ['what goes up and down', (share: number) => (100 + 30 * Math.sin(share * 60)) * mib, false],
  ['what goes up until a collector comes', (share: number) => (60 + ((share * 40) % 5) * 50) * mib, false],
  ['what a collector let go of late', (share: number) => (share < 0.6 ? 700 : share < 0.7 ? 320 : 390) * mib, false],
  ['what follows a load that dips', (share: number) => (share > 0.5 && share < 0.75 ? 90 : 150) * mib, false],
  ['what is small, whatever its share', (share: number) => share * 10 * mib, false],
  ['a leak from nothing', (share: number) => share * 400 * mib, true],
  ['a leak on top of much', (share: number) => (200 + share * 300) * mib, true],
])('%s', (_, valueAt, isGrowing) => {
  expect(growthOf(watched(valueAt))).toMatchObject([{ name: 'memory', isGrowing }])
})

test('a run that was too short tells nothing', () => {
  const short = watched(() => 1)
  expect(() => growthOf({ ...short, samples: short.samples.slice(0, 5) })).toThrow(/expected at least 16/)
})

test('a chart has a panel for each gauge, with its largest value', () => {
  const svg = chart(watched((share) => share * 400 * mib))
  expect(svg).toContain('>a run &amp; more</text>')
  expect(svg).toContain('>400.0 MiB</text>')
  expect(svg.match(/<polyline/g)).toHaveLength(1)
  expect(svg).not.toContain('NaN')
})
