import {
  type Attributes,
  type Counter,
  type Histogram,
  metrics as instruments,
  type Meter,
  type ObservableResult,
} from '@opentelemetry/api'
import type { DecisionRecord, Outcome, ParticipantName, ReportedHazard, TroubleKind, Vote } from '@verdict/protocol'
import {
  BoundedLabel,
  codeLabel,
  conventions,
  labels,
  type MetricDefinition,
  metrics,
} from '@verdict/protocol/telemetry'
import type { ReplicaId } from '@verdict/raft'
import type { CoordinatorSettings } from './settings.ts'
import { version } from './version.ts'

/** What is read from a coordinator whenever metrics are collected. */
export interface CoordinatorGauges {
  /** Transactions that votes are collected for. */
  readonly underway: () => number
  /** Transactions that are decided and not settled: how many, and how old the oldest is. */
  readonly inDoubt: () => number
  readonly oldestInDoubtMs: () => number
  /** Transactions with a hazard that nobody has dealt with. */
  readonly hazardous: () => number
  /** What is known to be stuck. */
  readonly troubles: (kind: TroubleKind) => number
}

/** A decided transaction, as metrics tell it apart. */
export interface Ended {
  readonly outcome: Outcome
  readonly path: 'logged' | 'read-only'
  readonly mode: 'interactive' | 'one-shot'
}

const msPerSecond = 1_000
const troubleKinds: readonly TroubleKind[] = ['quarantined', 'failing', 'overdue', 'poisoned']

/** The metrics of one replica of a group. Made with it: an instrument that is older than the SDK would measure nothing. */
export class CoordinatorMetering {
  private readonly here: Attributes
  private readonly meter: Meter
  private readonly participants = new BoundedLabel()
  private readonly commits: Histogram
  private readonly decisions: Counter
  private readonly votes: Counter
  private readonly hazards: Counter
  private readonly refusals: Counter

  constructor(replica: ReplicaId) {
    const meter = instruments.getMeter('@verdict/coordinator', version)
    const counter = ({ name, options }: MetricDefinition): Counter => meter.createCounter(name, options)
    this.here = { [labels.replica]: replica }
    this.meter = meter
    this.commits = meter.createHistogram(metrics.coordinatorCommit.name, metrics.coordinatorCommit.options)
    this.decisions = counter(metrics.coordinatorDecisions)
    this.votes = counter(metrics.coordinatorVotes)
    this.hazards = counter(metrics.coordinatorHazards)
    this.refusals = counter(metrics.refusals)
  }

  /** What an owner asked to commit has its outcome. */
  committed(durationMs: number, { outcome, path, mode }: Ended): void {
    const attributes = { ...this.here, [labels.outcome]: outcome, [labels.path]: path, [labels.mode]: mode }
    this.commits.record(durationMs / msPerSecond, attributes)
  }

  recorded({ outcome, reason }: DecisionRecord): void {
    const cause = reason === undefined ? {} : { [conventions.errorType]: codeLabel(reason.code) }
    this.decisions.add(1, { ...this.here, [labels.outcome]: outcome, ...cause })
  }

  voted(participant: ParticipantName, vote: Vote): void {
    const cause = vote.kind === 'refused' ? { [conventions.errorType]: codeLabel(vote.reason.code) } : {}
    this.votes.add(1, {
      ...this.here,
      [labels.participant]: this.participants.label(participant),
      [labels.vote]: vote.kind,
      ...cause,
    })
  }

  hazard(participant: ParticipantName, hazard: ReportedHazard): void {
    this.hazards.add(1, {
      ...this.here,
      [labels.participant]: this.participants.label(participant),
      [labels.hazard]: hazard,
    })
  }

  refused(limit: keyof CoordinatorSettings): void {
    this.refusals.add(1, { ...this.here, [labels.limit]: limit })
  }

  /** Reads these at each collection from now on; returns what ends it. */
  observe({ underway, inDoubt, oldestInDoubtMs, hazardous, troubles }: CoordinatorGauges): () => void {
    const counter = ({ name, options }: MetricDefinition) => this.meter.createObservableUpDownCounter(name, options)
    const gauges = [
      { gauge: counter(metrics.coordinatorUnderway), read: underway },
      { gauge: counter(metrics.coordinatorInDoubt), read: inDoubt },
      { gauge: counter(metrics.coordinatorHazardous), read: hazardous },
      {
        gauge: this.meter.createObservableGauge(
          metrics.coordinatorInDoubtAge.name,
          metrics.coordinatorInDoubtAge.options,
        ),
        read: () => oldestInDoubtMs() / msPerSecond,
      },
    ].map(({ gauge, read }) => ({ gauge, tell: (result: ObservableResult) => result.observe(read(), this.here) }))
    const troubled = {
      gauge: counter(metrics.coordinatorTroubled),
      tell: (result: ObservableResult) => {
        for (const kind of troubleKinds) result.observe(troubles(kind), { ...this.here, [labels.trouble]: kind })
      },
    }
    const all = [...gauges, troubled]
    for (const { gauge, tell } of all) gauge.addCallback(tell)
    return () => {
      for (const { gauge, tell } of all) gauge.removeCallback(tell)
    }
  }
}
