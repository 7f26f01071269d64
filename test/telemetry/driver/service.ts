// A participant on PostgreSQL with one transaction, as the test starts it. Says its spans, one a line.
import { SpanKind, trace } from '@opentelemetry/api'
import { startNodeSdk } from '@opentelemetry/sdk-node'
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace'

const exporter = new InMemorySpanExporter()
startNodeSdk({
  resourceDetectors: [],
  spanProcessors: [new SimpleSpanProcessor({ exporter })],
  metricReaders: [],
  logRecordProcessors: [],
})
const { connect } = await import('@verdict/client')
const { defineParticipant, operation } = await import('@verdict/participant')
const { postgres } = await import('@verdict/postgres')
const { startInProcess } = await import('@verdict/testing')
const { z } = await import('zod')

type Session = import('@verdict/postgres').PostgresSession

const charge = operation({
  input: z.object({ account: z.string() }),
  async run({ account }, { sql }: Session) {
    await sql.query('update account set cents = cents - 1 where id = $1', [account])
    trace.getTracer('user').startSpan('user').end()
    await Promise.all([sql.query('select 1'), sql.query('select 2')])
    return null
  },
})

const connectionString = process.argv[2]
if (connectionString === undefined) throw new Error('expected the URL of a database as the only argument')
const payments = defineParticipant({
  name: 'payments',
  resource: postgres({ connectionString }),
  operations: { charge },
})
await using verdict = await startInProcess()
await using _serving = await payments.serve({ world: verdict.world })
await using client = await connect({ world: verdict.world, owner: 'checkout' })
for (const account of ['a1', 'a2']) {
  exporter.reset() // the second one finds its connections made
  // Under an id that is kept it goes through the log, so that all of Verdict's own statements are seen.
  const options = { id: client.newId(), wait: 'applied' } as const
  await client.transaction((tx) => tx.on<typeof payments>('payments').charge({ account }), options)
}

for (const span of exporter.getFinishedSpans()) {
  const { name, kind, parentSpanContext, instrumentationScope } = span
  const ids = { id: span.spanContext().spanId, parent: parentSpanContext?.spanId }
  process.stdout.write(`${JSON.stringify({ ...ids, name, kind: SpanKind[kind], scope: instrumentationScope.name })}\n`)
}
