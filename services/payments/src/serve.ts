import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { logEvents } from '@verdict/participant'
import type { Log } from '@verdict/telemetry'
import pg from 'pg'
import { z } from 'zod'
import { definePayments, schema } from './payments.ts'

const environment = z.object({
  DATABASE_URL: z.url({ error: 'DATABASE_URL: expected the URL of the PostgreSQL database of payments.' }),
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  /** JSON file of account to cents: accounts that are opened when they are not there yet. */
  ACCOUNTS_FILE: z.string().default(join(import.meta.dirname, '..', 'accounts.json')),
})

type Settings = z.infer<typeof environment>

/** Serves until a signal asks to stop; open branches then end, nothing new is taken, and the connections are closed. */
export async function serve(log: Log): Promise<void> {
  const settings = environment.parse(process.env)
  await openAccounts(settings)
  const payments = definePayments(settings.DATABASE_URL)
  await using serving = await payments.serve({ servers: settings.NATS_URL, onEvent: logEvents(log) })
  log.info({ instance: serving.instance }, 'serving')

  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  log.info('draining')
}

async function openAccounts({ DATABASE_URL, ACCOUNTS_FILE }: Settings): Promise<void> {
  const accounts = z.record(z.string(), z.number().int()).parse(JSON.parse(await readFile(ACCOUNTS_FILE, 'utf8')))
  const client = new pg.Client(DATABASE_URL)
  await client.connect()
  try {
    await client.query(`begin; select pg_advisory_xact_lock(1); ${schema}; commit`)
    // Only what is not there: an insert that meets a row which a prepared branch has changed waits for that branch, and with the last
    // instance down nobody would end it.
    await client.query(
      `insert into account (id, cents) select key, value::bigint from json_each_text($1)
        where not exists (select from account where id = key) on conflict do nothing`,
      [JSON.stringify(accounts)],
    )
  } finally {
    await client.end()
  }
}
