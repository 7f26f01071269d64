import { crashTest } from '@verdict/testing'
import pg from 'pg'
import { afterAll, beforeAll, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../infra/postgres.ts'
import { definePayments, schema } from '../src/payments.ts'

let server: PostgresServer
let database: pg.Client

beforeAll(async () => {
  server = await startPostgres()
  database = new pg.Client({ connectionString: server.url })
  await database.connect()
  await database.query(schema)
})
afterAll(async () => {
  await database.end()
  await server.stop()
})

const rows = async (text: string) => (await database.query(text)).rows

test('a charge happens once or not at all, wherever payments crashes', async () => {
  const report = await crashTest({
    define: () => definePayments(server.url),
    call: { operation: 'charge', input: { orderId: 'o1', account: 'anna', cents: 300 } },
    reset: () => database.query("delete from payment; delete from account; insert into account values ('anna', 1000)"),
    state: async () => [await rows('select * from account'), await rows('select * from payment')],
  })
  report.assert()
}, 120_000) // dozens of lives of the service, each with connections of its own
