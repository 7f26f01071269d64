import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { conventions, otherLabel, spanNames } from '@verdict/protocol/telemetry'
import { LmdbBrokenError } from './errors.ts'
import { version } from './version.ts'

/** Shows a write, until it is flushed, as a part of the active span; where that records nothing, it is only done. */
export function flushing(write: () => Promise<void>): Promise<void> {
  if (trace.getActiveSpan()?.isRecording() !== true) return write()
  const attributes = { [conventions.dbSystem]: 'lmdb' }
  const span = trace
    .getTracer('@verdict/lmdb', version)
    .startSpan(spanNames.flush, { kind: SpanKind.INTERNAL, attributes })
  return context.with(trace.setSpan(context.active(), span), async () => {
    try {
      await write()
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR })
      span.setAttribute(conventions.errorType, error instanceof LmdbBrokenError ? error.code : otherLabel)
      throw error
    } finally {
      span.end()
    }
  })
}
