import { median } from '../bench/median.ts'
import type { Watched } from './sample.ts'

/** The last quarter may show so much more than the half before it: garbage collectors are not that even. */
export const maxGrowthShare = 0.15
/** Less than this is no growth, whatever share it is. */
const noise = { bytes: 16 * 1024 * 1024, rows: 2_000 } as const
/** With fewer samples a quarter is no measure. */
const minSamples = 16

/**
 * How a gauge went: the median of what it showed in the half before the last quarter of the run, and the least in that quarter; both lie
 * behind its warm-up. The least, since a garbage collector lets memory go up for a while, and what is left after it is what counts. The
 * median, since what is kept follows the load, which other work on the machine makes dip, and a collector may let go of much at once.
 */
export interface Growth {
  readonly name: string
  readonly unit: 'bytes' | 'rows'
  readonly before: number
  readonly last: number
  /** Of the last quarter over the half before it. */
  readonly share: number
  readonly isGrowing: boolean
}

/** @throws Error when the run was too short to tell. */
export function growthOf({ gauges, samples }: Watched): readonly Growth[] {
  if (samples.length < minSamples)
    throw new Error(`${samples.length} samples do not tell whether anything grows: expected at least ${minSamples}.`)
  const end = samples.at(-1)?.at ?? 0
  const shown = (from: number, to: number, place: number): readonly number[] =>
    samples.flatMap(({ at, values }) => (at > from * end && at <= to * end ? [values[place] ?? 0] : []))
  return gauges.map(({ name, unit }, place) => {
    const before = median(shown(0.25, 0.75, place))
    const last = Math.min(...shown(0.75, 1, place))
    const share = before === 0 ? 0 : last / before - 1
    return { name, unit, before, last, share, isGrowing: last - before > noise[unit] && share > maxGrowthShare }
  })
}
