/** One thing that is watched over a run: bytes of memory, bytes of a file, a number of rows. */
export interface Gauge {
  readonly name: string
  readonly unit: 'bytes' | 'rows'
}

/** What all gauges showed at one moment, in their order. */
export interface Sample {
  /** How far the run was: seconds, or transactions. */
  readonly at: number
  readonly values: readonly number[]
}

/** What was watched, and how. */
export interface Watched {
  readonly title: string
  /** How many transactions were decided. */
  readonly decided: number
  /** What `at` counts. */
  readonly along: 'seconds' | 'transactions'
  readonly gauges: readonly Gauge[]
  readonly samples: readonly Sample[]
}
