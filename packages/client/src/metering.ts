import { type Counter, type Histogram, metrics as instruments, type UpDownCounter } from '@opentelemetry/api'
import { ProtocolError, reasonCodes } from '@verdict/protocol'
import {
  BoundedLabel,
  codeLabel,
  conventions,
  labels,
  metrics,
  otherLabel,
  rpcSystem,
} from '@verdict/protocol/telemetry'
import type { Ending } from './ending.ts'
import { ClientError, clientErrors } from './errors.ts'
import { version } from './version.ts'

const millisecondsPerSecond = 1000

const ownCodes: ReadonlySet<string> = new Set([...Object.keys(clientErrors), 'in-doubt', 'committed-with-hazards'])

/** The metrics of one client. The meter is got when the client connects: one that is got before an SDK is set up measures nothing. */
export class ClientMetering {
  private readonly transactions: Histogram
  private readonly calls: Histogram
  private readonly refusals: Counter
  private readonly methods = new BoundedLabel()
  private readonly requestsWaiting: UpDownCounter

  constructor() {
    const meter = instruments.getMeter('@verdict/client', version)
    this.transactions = meter.createHistogram(metrics.clientTransaction.name, metrics.clientTransaction.options)
    this.calls = meter.createHistogram(metrics.clientCall.name, metrics.clientCall.options)
    this.refusals = meter.createCounter(metrics.refusals.name, metrics.refusals.options)
    this.requestsWaiting = meter.createUpDownCounter(metrics.clientWaiting.name, metrics.clientWaiting.options)
  }

  transaction(durationMs: number, mode: string, { outcome, path, failure }: Ending): void {
    this.transactions.record(durationMs / millisecondsPerSecond, {
      [labels.mode]: mode,
      ...(outcome !== undefined && { [labels.outcome]: outcome }),
      ...(path !== undefined && { [labels.path]: path }),
      ...(failure !== undefined && { [conventions.errorType]: errorType(failure.code) }),
    })
  }

  call(durationMs: number, method: string, { failure }: Ending): void {
    // An operation that is not there has a name that anybody may have made up.
    const known = failure?.code !== reasonCodes.unknownOperation
    this.calls.record(durationMs / millisecondsPerSecond, {
      [conventions.rpcSystem]: rpcSystem,
      [conventions.rpcMethod]: known ? this.methods.label(method) : otherLabel,
      ...(failure !== undefined && { [conventions.errorType]: errorType(failure.code) }),
    })
  }

  requestOpened(): void {
    this.requestsWaiting.add(1)
  }

  requestClosed(): void {
    this.requestsWaiting.add(-1)
  }

  /** Counts an error that tells of a bound. */
  refused(error: unknown): void {
    const limit = error instanceof ClientError || error instanceof ProtocolError ? error.limit : undefined
    if (limit !== undefined) this.refusals.add(1, { [labels.limit]: limit })
  }
}

function errorType(code: string): string {
  return ownCodes.has(code) ? code : codeLabel(code)
}
