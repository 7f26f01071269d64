// A small service: one span, one log line in it, one measurement. It stops as soon as it may.
import { metrics, trace } from '@opentelemetry/api'
import { createLog, startTelemetry } from '../src/index.ts'

const log = createLog({ name: 'small', level: 'info' })
const telemetry = await startTelemetry({ service: 'small', version: '9.8.7', log })
const counter = metrics.getMeter('small').createCounter('small.orders')
trace.getTracer('small').startActiveSpan('order', (span) => {
  counter.add(1)
  log.warn({ place: { row: 3 }, err: new TypeError('no tea') }, 'refused')
  span.end()
})
log.info('serving')
if (process.argv[2] === 'serve') await new Promise((resolve) => process.once('SIGTERM', resolve).ref?.())
const began = performance.now()
await telemetry.stop()
log.info({ stopMs: performance.now() - began }, 'stopped')
process.exit()
