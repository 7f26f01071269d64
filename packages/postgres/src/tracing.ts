import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { conventions } from '@verdict/protocol/telemetry'
import pg from 'pg'
import { version } from './version.ts'

/** One of Verdict's own statements, in the words of the conventions. */
export interface Operation {
  readonly name: string
  readonly collection?: string
}

export const operations = {
  prepare: { name: 'PREPARE TRANSACTION' },
  commitPrepared: { name: 'COMMIT PREPARED' },
  rollbackPrepared: { name: 'ROLLBACK PREPARED' },
  commit: { name: 'COMMIT' },
  rollback: { name: 'ROLLBACK' },
  insertRow: { name: 'INSERT', collection: 'verdict.branch' },
  selectRow: { name: 'SELECT', collection: 'verdict.branch' },
  selectPrepared: { name: 'SELECT', collection: 'pg_prepared_xacts' },
  ask: { name: 'SELECT' },
} as const

/** Known to every SDK by this description: nothing is recorded within. */
const suppressed = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

/** The spans of one session's statements. */
export class StatementTracing {
  readonly #tracer: Tracer = trace.getTracer('@verdict/postgres', version)
  readonly #server: Attributes

  /** @param server what each span says of the server. */
  constructor(server: Attributes) {
    this.#server = server
  }

  /**
   * Sends a statement within a span of its own, from now until its own answer: of several that go in one round trip each has one. Only
   * below a span that records: what is done in nobody's name (as sweeping is) would be a trace for each statement. The spans that an
   * instrumentation of `pg` makes tell of the operations' statements; of these, they would say the same twice.
   */
  traced<T>({ name, collection }: Operation, send: () => Promise<T>): Promise<T> {
    if (trace.getActiveSpan()?.isRecording() !== true) return send()
    const attributes: Attributes = { ...this.#server, [conventions.dbOperation]: name }
    if (collection !== undefined) attributes[conventions.dbCollection] = collection
    const title = collection === undefined ? name : `${name} ${collection}`
    return answered(this.#tracer.startSpan(title, { kind: SpanKind.CLIENT, attributes }), send)
  }
}

async function answered<T>(span: Span, send: () => Promise<T>): Promise<T> {
  try {
    return await context.with(withoutDriver(), send)
  } catch (error) {
    const state = codeOf(error)
    span.setStatus({ code: SpanStatusCode.ERROR })
    if (error instanceof pg.DatabaseError && state !== undefined) span.setAttribute(conventions.dbStatus, state)
    span.setAttribute(conventions.errorType, state ?? (error instanceof Error ? error.name : typeof error))
    throw error
  } finally {
    span.end()
  }
}

function withoutDriver(): Context {
  return context.active().setValue(suppressed, true)
}

/** The SQLSTATE, or what Node calls an error of the connection. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
