// A small service, as the test starts it: one line of log in a span, one measurement, and its stop.
import { once } from 'node:events'
import { metrics, trace } from '@opentelemetry/api'
import { createLog, startTelemetry } from '../src/index.ts'

const log = createLog({ name: 'small', level: 'info' })
const telemetry = await startTelemetry({
  service: 'small',
  version: '9.8.7',
  log,
  attributes: { 'small.place': 'here' },
})
metrics.getMeter('small').createCounter('small.orders').add(1)
trace.getTracer('small').startActiveSpan('order', (span) => {
  log.warn({ place: { row: 3 }, err: new TypeError('no tea') }, 'refused')
  span.end()
})
log.info('serving')
await once(process.stdin.resume(), 'end')
const began = performance.now()
await telemetry.stop()
log.info({ stopMs: performance.now() - began }, 'stopped')
process.exit()
