import { crashTest } from '@verdict/testing'
import pg from 'pg'
import { afterAll, beforeAll, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../infra/postgres.ts'
import { defineOrders, schema } from '../src/orders.ts'

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

test('an order is placed once or not at all, wherever orders crashes', async () => {
  const report = await crashTest({
    define: () => defineOrders(server.url),
    call: { operation: 'place', input: { orderId: 'o1', customer: 'anna', sku: 'tea', quantity: 2, cents: 900 } },
    reset: () => database.query('delete from placed_order'),
    state: async () => (await database.query('select * from placed_order')).rows,
  })
  report.assert()
}, 120_000) // dozens of lives of the service, each with connections of its own
