import type { Attributes, Counter, Meter, Observable } from '@opentelemetry/api'
import type { MetricDefinition } from './names.ts'

/**
 * Counters that are told what was counted when metrics are collected, and not before. An SDK makes a text of all attributes at each
 * addition, which costs more than whatever else is counted in a transaction; here additions to the same series are one.
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

  /** Tells them whenever `observed`, an instrument of the same meter, is collected; returns what tells the rest and ends it. */
  observe(observed: Observable): () => void {
    const tell = (): void => {
      for (const tally of this.#tallies) tally.tell()
    }
    observed.addCallback(tell)
    return () => {
      observed.removeCallback(tell)
      tell()
    }
  }
}

/** What was counted and not told yet, by series: as many as the counter has, however long nobody collects. */
export class Tally {
  readonly #counter: Counter
  readonly #counts = new Map<string, { readonly attributes: Attributes; count: number }>()

  constructor(counter: Counter) {
    this.#counter = counter
  }

  /** Counts one of a series. @param key tells it from the other series of the counter */
  add(key: string, attributes: () => Attributes): void {
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { attributes: attributes(), count: 1 })
    else known.count += 1
  }

  tell(): void {
    for (const series of this.#counts.values()) {
      if (series.count > 0) this.#counter.add(series.count, series.attributes)
      series.count = 0
    }
  }
}
