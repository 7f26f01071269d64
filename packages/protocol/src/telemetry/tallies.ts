import type { Attributes, Counter, Meter, Observable } from '@opentelemetry/api'
import type { MetricDefinition } from './names.ts'

/**
 * Counters that an SDK hears of once for each series at the beginning of each interval, and once at its end. It makes a text of all
 * attributes at each addition, which costs more than whatever else is counted in a transaction.
 */
export class Tallies {
  readonly #meter: Meter
  readonly #tallies: Tally[] = []

  constructor(meter: Meter) {
    this.#meter = meter
  }

  counter({ name, options }: MetricDefinition): Tally {
    const tally = new Tally(this.#meter.createCounter(name, options))
    this.#tallies.push(tally)
    return tally
  }

  /** Tells the rest whenever `observed`, an instrument of the same meter, is collected; returns what ends that: then nothing waits. */
  observe(observed: Observable): () => void {
    const tell = (): void => {
      for (const tally of this.#tallies) tally.tell()
    }
    for (const tally of this.#tallies) tally.isCollected = true
    observed.addCallback(tell)
    return () => {
      observed.removeCallback(tell)
      for (const tally of this.#tallies) tally.isCollected = false
      tell()
    }
  }
}

interface Series {
  readonly attributes: Attributes
  /** Something was told since the last collection: an SDK takes the time of that for the beginning of what it exports. */
  hasBegun: boolean
  waiting: number
}

/** A counter of `Tallies`. It keeps a number for each series, and series are bounded, however long nobody collects. */
export class Tally {
  /** Somebody calls `tell` at each collection. Else everything is told at once. */
  isCollected = false
  readonly #counter: Counter
  readonly #series = new Map<string, Series>()

  constructor(counter: Counter) {
    this.#counter = counter
  }

  /** Counts one of a series. @param key tells it from the other series of the counter */
  add(key: string, attributes: () => Attributes): void {
    const series = this.#series.get(key) ?? this.#begin(key, attributes())
    if (this.isCollected && series.hasBegun) series.waiting += 1
    else {
      series.hasBegun = true
      this.#counter.add(1, series.attributes)
    }
  }

  tell(): void {
    for (const series of this.#series.values()) {
      const { waiting, attributes } = series
      series.waiting = 0
      series.hasBegun = false
      if (waiting > 0) this.#counter.add(waiting, attributes)
    }
  }

  #begin(key: string, attributes: Attributes): Series {
    const series = { attributes, hasBegun: false, waiting: 0 }
    this.#series.set(key, series)
    return series
  }
}
