import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { Client } from 'pg'
import { expect, test, vi } from 'vitest'
import { startNats } from '../../infra/nats.ts'
import { startPostgres } from '../../infra/postgres.ts'

test('a NATS server that was killed comes back under the same address', async ({ skip }) => {
  await using server = await startNats()
  skip(!server.owned, 'NATS_URL names a server that is not ours to kill')
  const { url } = server
  await server.kill()
  await expect(connect({ servers: url })).rejects.toThrow()
  await server.restart()
  expect(server.url).toBe(url)
  const connection = await connect({ servers: url })
  await connection.close()
})

test('a PostgreSQL server that crashed comes back with its prepared transactions', async () => {
  await using server = await startPostgres()
  const run = async (...statements: string[]): Promise<unknown[]> => {
    const client = new Client(server.url)
    await client.connect()
    const results = []
    for (const statement of statements) results.push((await client.query(statement)).rows)
    await client.end()
    return results
  }
  await run('CREATE TABLE note (text text)', 'BEGIN', "INSERT INTO note VALUES ('kept')", "PREPARE TRANSACTION 'one'")
  await server.kill()
  await expect(run('SELECT 1')).rejects.toThrow()
  await server.restart()
  expect(await run("COMMIT PREPARED 'one'", 'SELECT text FROM note')).toEqual([[], [{ text: 'kept' }]])
})

test('two PostgreSQL servers run side by side, and stop removes their data', async () => {
  const servers = await Promise.all([startPostgres(), startPostgres({ maxPreparedTransactions: 7 })])
  const shown = []
  for (const server of servers) {
    const client = new Client(server.url)
    await client.connect()
    const { rows } = await client.query('SELECT current_setting($1) AS prepared, current_setting($2) AS folder', [
      'max_prepared_transactions',
      'data_directory',
    ])
    shown.push(rows[0])
    await client.end()
    await server.stop()
    await server.stop()
  }
  expect(shown.map((row) => row.prepared)).toEqual(['256', '7'])
  for (const row of shown) expect(existsSync(row.folder)).toBe(false)
})

test.skipIf(process.platform === 'win32')('no server outlives a process that was killed', async () => {
  const { NATS_URL: _, ...env } = process.env
  const { stdout, signal } = spawnSync(process.execPath, [join(import.meta.dirname, 'abandon.ts')], { env })
  expect(signal).toBe('SIGKILL')
  const urls: string[] = JSON.parse(stdout.toString())
  expect(urls).toHaveLength(2)
  for (const url of urls) await vi.waitFor(() => expectRefusal(Number(new URL(url).port)), { timeout: 10_000 })
})

/** Resolves when nobody listens on the port, rejects when somebody does. */
async function expectRefusal(port: number): Promise<void> {
  const socket = connectSocket(port, '127.0.0.1')
  const event = await new Promise((resolve) => {
    socket.once('connect', () => resolve('connected'))
    socket.once('error', () => resolve('refused'))
  })
  socket.destroy()
  expect(event).toBe('refused')
}
