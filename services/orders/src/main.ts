import pg from 'pg'
import { pino } from 'pino'
import { z } from 'zod'
import { defineOrders, schema } from './orders.ts'

const environment = z.object({
  DATABASE_URL: z.url({ error: 'DATABASE_URL: expected the URL of the PostgreSQL database of orders.' }),
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  LOG_LEVEL: z.string().default('info'),
})

const settings = environment.parse(process.env)
const log = pino({ name: 'orders', level: settings.LOG_LEVEL })

await makeTables()
const serving = await defineOrders(settings.DATABASE_URL).serve({ servers: settings.NATS_URL })
log.info({ instance: serving.instance }, 'serving')

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    log.info({ signal }, 'draining')
    serving.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error }, 'could not drain')
        process.exit(1)
      },
    )
  })
}

async function makeTables(): Promise<void> {
  const client = new pg.Client(settings.DATABASE_URL)
  await client.connect()
  try {
    await client.query(`begin; select pg_advisory_xact_lock(1); ${schema}; commit`)
  } finally {
    await client.end()
  }
}
