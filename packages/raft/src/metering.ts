import {
  type Attributes,
  type Counter,
  type Gauge,
  type Histogram,
  metrics as instruments,
  type ObservableResult,
} from '@opentelemetry/api'
import type { OverloadLimit } from './effect.ts'
import type { LogIndex, ReplicaId } from './message.ts'
import { labels, metrics } from './telemetry.ts'
import { version } from './version.ts'

const millisecondsPerSecond = 1000

/** The metrics of one replica. The meter is got when the replica is made: one that is got before an SDK is set up measures nothing. */
export class ReplicaMetering {
  private readonly attributes: Attributes
  private readonly flushes: Histogram
  private readonly replications: Histogram
  private readonly leaderChanges: Counter
  private readonly refusals: Counter
  private readonly leads: Gauge
  private readonly unobserve: () => void
  /** Batches that a leader has written, and no majority has; in the log's order. */
  private replicating: { readonly lastIndex: LogIndex; readonly startMs: number }[] = []

  constructor(replica: ReplicaId, proposalsWaiting: () => number) {
    const meter = instruments.getMeter('@verdict/raft', version)
    this.attributes = { [labels.replica]: replica }
    this.flushes = meter.createHistogram(metrics.flush.name, metrics.flush.options)
    this.replications = meter.createHistogram(metrics.replication.name, metrics.replication.options)
    this.leaderChanges = meter.createCounter(metrics.leaderChanges.name, metrics.leaderChanges.options)
    this.refusals = meter.createCounter(metrics.refusals.name, metrics.refusals.options)
    this.leads = meter.createGauge(metrics.leading.name, metrics.leading.options)
    const waiting = meter.createObservableUpDownCounter(metrics.proposalsWaiting.name, metrics.proposalsWaiting.options)
    const observe = (result: ObservableResult): void => result.observe(proposalsWaiting(), this.attributes)
    waiting.addCallback(observe)
    this.unobserve = () => waiting.removeCallback(observe)
    this.leading(false)
  }

  leading(leads: boolean): void {
    this.leads.record(leads ? 1 : 0, this.attributes)
  }

  /** A leader began to write entries, up to this one, at this monotonic time. */
  writing(lastIndex: LogIndex, startMs: number): void {
    this.replicating.push({ lastIndex, startMs })
  }

  flushed(durationMs: number): void {
    this.flushes.record(durationMs / millisecondsPerSecond, this.attributes)
  }

  committed(upTo: LogIndex, nowMs: number): void {
    let first = this.replicating[0]
    while (first !== undefined && first.lastIndex <= upTo) {
      this.replications.record((nowMs - first.startMs) / millisecondsPerSecond, this.attributes)
      this.replicating.shift()
      first = this.replicating[0]
    }
  }

  abandoned(): void {
    this.replicating = []
  }

  leaderChanged(): void {
    this.leaderChanges.add(1, this.attributes)
  }

  refused(limit: OverloadLimit): void {
    this.refusals.add(1, { ...this.attributes, [labels.limit]: limit })
  }

  /** The replica is no more, and nothing is read from it. */
  stop(): void {
    this.leading(false)
    this.unobserve()
  }
}
