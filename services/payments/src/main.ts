import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { pino } from 'pino'
import { z } from 'zod'
import { definePayments, schema } from './payments.ts'

const environment = z.object({
  DATABASE_URL: z.url({ error: 'DATABASE_URL: expected the URL of the PostgreSQL database of payments.' }),
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  /** JSON file of account to cents: accounts that are opened when they are not there yet. */
  ACCOUNTS_FILE: z.string().default(join(import.meta.dirname, '..', 'accounts.json')),
  LOG_LEVEL: z.string().default('info'),
})

const settings = environment.parse(process.env)
const log = pino({ name: 'payments', level: settings.LOG_LEVEL })

await openAccounts()
await using serving = await definePayments(settings.DATABASE_URL).serve({ servers: settings.NATS_URL })
log.info({ instance: serving.instance }, 'serving')

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
// Leaving the program lets open branches end, takes nothing new, and then closes the connections.
log.info('draining')

async function openAccounts(): Promise<void> {
  const accounts = z
    .record(z.string(), z.number().int())
    .parse(JSON.parse(await readFile(settings.ACCOUNTS_FILE, 'utf8')))
  const client = new pg.Client(settings.DATABASE_URL)
  await client.connect()
  try {
    await client.query(`begin; select pg_advisory_xact_lock(1); ${schema}; commit`)
    await client.query(
      'insert into account (id, cents) select key, value::bigint from json_each_text($1) on conflict do nothing',
      [JSON.stringify(accounts)],
    )
  } finally {
    await client.end()
  }
}
