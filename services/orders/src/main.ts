import { once } from 'node:events'
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
await using serving = await defineOrders(settings.DATABASE_URL).serve({ servers: settings.NATS_URL })
log.info({ instance: serving.instance }, 'serving')

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
// Leaving the program lets open branches end, takes nothing new, and then closes the connections.
log.info('draining')

async function makeTables(): Promise<void> {
  const client = new pg.Client(settings.DATABASE_URL)
  await client.connect()
  try {
    await client.query(`begin; select pg_advisory_xact_lock(1); ${schema}; commit`)
  } finally {
    await client.end()
  }
}
