import { once } from 'node:events'
import { logEvents } from '@verdict/participant'
import type { Log } from '@verdict/telemetry'
import pg from 'pg'
import { z } from 'zod'
import { defineOrders, schema } from './orders.ts'

const environment = z.object({
  DATABASE_URL: z.url({ error: 'DATABASE_URL: expected the URL of the PostgreSQL database of orders.' }),
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
})

/** Serves until a signal asks to stop; open branches then end, nothing new is taken, and the connections are closed. */
export async function serve(log: Log): Promise<void> {
  const settings = environment.parse(process.env)
  await makeTables(settings.DATABASE_URL)
  const orders = defineOrders(settings.DATABASE_URL)
  await using serving = await orders.serve({ servers: settings.NATS_URL, onEvent: logEvents(log) })
  log.info({ instance: serving.instance }, 'serving')

  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  log.info('draining')
}

async function makeTables(url: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(`begin; select pg_advisory_xact_lock(1); ${schema}; commit`)
  } finally {
    await client.end()
  }
}
