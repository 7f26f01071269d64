import type { Watched } from './sample.ts'

/** The last quarter may show so much more than the one before it: garbage collectors are not that even. */
export const maxGrowthShare = 0.15
/** Less than this is no growth, whatever share it is. */
const noise = { bytes: 16 * 1024 * 1024, rows: 2_000 } as const
/** With fewer samples a quarter is no measure. */
const minSamples = 16

/**
 * How a gauge went: the least that it showed in the third and in the last quarter of the run, which both lie behind its warm-up. The
 * least, since a garbage collector lets memory go up for a while, and what is left after it is what counts.
 */
export interface Growth {
  readonly name: string
  readonly unit: 'bytes' | 'rows'
  readonly third: number
  readonly last: number
  /** Of the last quarter over the third. */
  readonly share: number
  readonly isGrowing: boolean
}

/** @throws Error when the run was too short to tell. */
export function growthOf({ gauges, samples }: Watched): readonly Growth[] {
  if (samples.length < minSamples)
    throw new Error(`${samples.length} samples do not tell whether anything grows: expected at least ${minSamples}.`)
  const end = samples.at(-1)?.at ?? 0
  const quarter = (from: number, to: number, place: number): number =>
    Math.min(...samples.flatMap(({ at, values }) => (at > from * end && at <= to * end ? [values[place] ?? 0] : [])))
  return gauges.map(({ name, unit }, place) => {
    const [third, last] = [quarter(0.5, 0.75, place), quarter(0.75, 1, place)]
    const share = third === 0 ? 0 : last / third - 1
    return { name, unit, third, last, share, isGrowing: last - third > noise[unit] && share > maxGrowthShare }
  })
}
