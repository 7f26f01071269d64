import { isSpanContextValid, type Logger as LogRecords, logs, type SeverityNumber, trace } from '@opentelemetry/api'
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'

/** A service's log: one JSON object a line on stdout. */
export type Log = Logger

export interface LogOptions {
  /** The service's own name, on every line. */
  readonly name: string
  /** `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`. */
  readonly level: string
  /** What else every line carries; the process and its host when nothing is given. */
  readonly base?: Readonly<Record<string, string>>
  /** Where the lines go, instead of stdout. */
  readonly destination?: DestinationStream
}

/**
 * Makes a service's log. A line that is written while a span is active names it (`trace_id`, `span_id`, `trace_flags`), and once
 * telemetry is on the same record goes to the backend too.
 */
export function createLog({ name, level, base, destination = pino.destination(1) }: LogOptions): Log {
  const records = logs.getLogger(name) // a proxy: it finds the SDK that is started later
  const options: LoggerOptions = {
    name,
    level,
    ...(base === undefined ? {} : { base }),
    mixin: activeSpan,
    hooks: {
      streamWrite(line) {
        if (records.enabled()) emit(records, line)
        return line
      },
    },
  }
  return pino(options, destination)
}

/** The field names are those of OpenTelemetry for logs that are no OTLP. */
function activeSpan(): object {
  const span = trace.getActiveSpan()?.spanContext()
  if (span === undefined || !isSpanContextValid(span)) return {}
  return {
    trace_id: span.traceId,
    span_id: span.spanId,
    trace_flags: span.traceFlags.toString(16).padStart(2, '0'),
  }
}

/** A line as pino writes it. */
interface Line {
  readonly level: number
  readonly time: number
  readonly msg?: string
  readonly err?: { readonly type?: string; readonly message?: string; readonly stack?: string }
  readonly [field: string]: unknown
}

/** Fields that a log record, its resource or its context has a place of its own for. */
const placed = new Set('level time msg err name pid hostname trace_id span_id trace_flags'.split(' '))

/** Reads the line back: then the backend has what the log says, every value in the form that it has there. */
function emit(records: LogRecords, text: string): void {
  const line = JSON.parse(text) as Line
  const { level, time, msg = '', err } = line
  const fields = Object.entries(line).filter(([field]) => !placed.has(field))
  records.emit({
    timestamp: time,
    severityNumber: severityOf(level),
    severityText: pino.levels.labels[level] ?? String(level),
    body: msg,
    attributes: {
      ...Object.fromEntries(fields),
      ...(err === undefined
        ? {}
        : { 'exception.type': err.type, 'exception.message': err.message, 'exception.stacktrace': err.stack }),
    },
  })
}

/** pino counts 10 (trace), 20 … 60 (fatal); OpenTelemetry 1, 5 … 21. */
function severityOf(level: number): SeverityNumber {
  return Math.round((level / 10 - 1) * 4 + 1)
}
