import {
  type Attributes,
  type Counter,
  type Histogram,
  type Meter,
  type ObservableResult,
  metrics as telemetry,
} from '@opentelemetry/api'
import type { Outcome, ParticipantName, TroubleKind } from '@verdict/protocol'
import {
  conventions,
  labels,
  type MetricDefinition,
  methodName,
  metrics,
  otherLabel,
  rpcSystem,
} from '@verdict/protocol/telemetry'
import type { Ballot } from './ballot.ts'
import type { LoneAnswer } from './branch-state.ts'
import { version } from './version.ts'

/** Branches of one instance by what they are doing. */
export interface Census {
  readonly waiting: number
  readonly open: number
  readonly prepared: number
}

/** What is read from an instance whenever metrics are collected. */
export interface Gauges {
  readonly branches: () => Census
  /** Prepared branches whose outcome is not known, and the age of the oldest. */
  readonly inDoubt: () => { readonly count: number; readonly oldestMs: number }
  /** Branches that are stuck. */
  readonly troubles: (kind: TroubleKind) => number
}

type Ending = Outcome | 'discarded' | 'hazard'

const msPerSecond = 1_000
const troubleKinds: readonly TroubleKind[] = ['quarantined', 'failing', 'overdue', 'poisoned']

const loneLabels: Readonly<Record<LoneAnswer['kind'], Attributes>> = {
  committed: { [labels.outcome]: 'committed', [labels.path]: 'lone' },
  'read-only': { [labels.outcome]: 'committed', [labels.path]: 'read-only' },
  aborted: { [labels.outcome]: 'aborted', [labels.path]: 'lone' },
  expired: { [conventions.errorType]: 'expired' },
  conflict: { [conventions.errorType]: 'conflict' },
  busy: { [conventions.errorType]: 'busy' },
}

/** The metrics of one instance. Made with it: an instrument that is older than the SDK would measure nothing. */
export class Metering {
  readonly #participant: ParticipantName
  readonly #operations: Readonly<Record<string, unknown>>
  readonly #here: Attributes
  readonly #meter: Meter
  readonly #calls: Histogram
  readonly #votes: Counter
  readonly #preparing: Histogram
  readonly #applying: Histogram
  readonly #lone: Histogram
  readonly #endings: Counter
  readonly #refusals: Counter
  #unobserve: () => void = () => {}

  constructor(participant: ParticipantName, operations: Readonly<Record<string, unknown>>) {
    const meter = telemetry.getMeter('@verdict/participant', version)
    const histogram = ({ name, options }: MetricDefinition): Histogram => meter.createHistogram(name, options)
    const counter = ({ name, options }: MetricDefinition): Counter => meter.createCounter(name, options)
    this.#participant = participant
    this.#operations = operations
    this.#here = { [labels.participant]: participant }
    this.#meter = meter
    this.#calls = histogram(metrics.participantCall)
    this.#votes = counter(metrics.participantVotes)
    this.#preparing = histogram(metrics.participantPrepare)
    this.#applying = histogram(metrics.participantApply)
    this.#lone = histogram(metrics.participantLone)
    this.#endings = counter(metrics.participantEndings)
    this.#refusals = counter(metrics.refusals)
  }

  /** A call of an operation was answered, without a value for one of a few causes. */
  called(operation: string, durationMs: number, errorType: string | undefined): void {
    const isKnown = Object.hasOwn(this.#operations, operation)
    this.#calls.record(durationMs / msPerSecond, {
      [conventions.rpcSystem]: rpcSystem,
      [conventions.rpcMethod]: isKnown ? methodName(this.#participant, operation) : otherLabel,
      ...(errorType === undefined ? {} : { [conventions.errorType]: errorType }),
    })
  }

  voted(vote: Ballot['kind']): void {
    this.#votes.add(1, { ...this.#here, [labels.vote]: vote })
  }

  /** The resource has answered a preparation. */
  prepared(durationMs: number): void {
    this.#preparing.record(durationMs / msPerSecond, this.#here)
  }

  applied(outcome: Outcome, durationMs: number): void {
    this.#applying.record(durationMs / msPerSecond, { ...this.#here, [labels.outcome]: outcome })
  }

  /** A request to commit alone was answered: with an outcome, with `read-only`, or without either for one of a few causes. */
  lone(answer: LoneAnswer['kind'], durationMs: number): void {
    this.#lone.record(durationMs / msPerSecond, { ...this.#here, ...loneLabels[answer] })
  }

  ended(ending: Ending): void {
    this.#endings.add(1, { ...this.#here, [labels.ending]: ending })
  }

  /** Something was refused, or dropped, because this bound was met. */
  refused(limit: string): void {
    this.#refusals.add(1, { ...this.#here, [labels.limit]: limit })
  }

  /** Reads these whenever metrics are collected, until it is stopped. */
  observe({ branches, inDoubt, troubles }: Gauges): void {
    const gauge = ({ name, options }: MetricDefinition) => this.#meter.createObservableGauge(name, options)
    const sum = ({ name, options }: MetricDefinition) => this.#meter.createObservableUpDownCounter(name, options)
    const observed = [
      {
        instrument: sum(metrics.participantBranches),
        read: (result: ObservableResult) => {
          for (const [state, count] of Object.entries(branches())) {
            result.observe(count, { ...this.#here, [labels.branchState]: state })
          }
        },
      },
      {
        instrument: sum(metrics.participantInDoubt),
        read: (result: ObservableResult) => result.observe(inDoubt().count, this.#here),
      },
      {
        instrument: sum(metrics.participantTroubled),
        read: (result: ObservableResult) => {
          for (const kind of troubleKinds) result.observe(troubles(kind), { ...this.#here, [labels.trouble]: kind })
        },
      },
      {
        instrument: gauge(metrics.participantInDoubtAge),
        read: (result: ObservableResult) => result.observe(inDoubt().oldestMs / msPerSecond, this.#here),
      },
    ]
    for (const { instrument, read } of observed) instrument.addCallback(read)
    this.#unobserve = () => {
      for (const { instrument, read } of observed) instrument.removeCallback(read)
    }
  }

  /** Nothing is read from the instance any more. */
  stop(): void {
    this.#unobserve()
  }
}
