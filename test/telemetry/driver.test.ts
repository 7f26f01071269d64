import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { expect, test } from 'vitest'
import { startPostgres } from '../../infra/postgres.ts'

interface Told {
  readonly id: string
  readonly parent?: string
  readonly name: string
  readonly kind: string
  readonly scope: string
}

const folder = join(import.meta.dirname, 'driver')

async function makeAccounts(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query("create table account as select 'a' || n as id, 100 as cents from generate_series(1, 2) n")
  await client.end()
}

/** The spans of one transaction in a process of its own, whose driver is instrumented before anything of it is loaded. */
async function spansOf(url: string): Promise<readonly Told[]> {
  const instrumented = ['--import', join(folder, 'instrumentation.ts')]
  const args = ['--conditions=@verdict/source', ...instrumented, join(folder, 'service.ts'), url]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Told)
}

test("the driver's own spans are parts of the operation, and say nothing twice that Verdict's say", async () => {
  const server = await startPostgres()
  try {
    await makeAccounts(server.url)
    const spans = await spansOf(server.url)
    const childrenOf = (name: string): readonly string[] => {
      const [parent] = spans.filter((span) => span.name === name && span.kind === 'SERVER')
      return spans.filter((span) => parent !== undefined && span.parent === parent.id).map((span) => span.name)
    }
    expect(childrenOf('payments/charge').toSorted()).toEqual([
      'open',
      'pg.query:SELECT postgres',
      'pg.query:SELECT postgres',
      'pg.query:UPDATE postgres',
      'user',
    ])
    expect(childrenOf('payments/prepare')).toEqual(['INSERT verdict.branch', 'PREPARE TRANSACTION'])
    expect(childrenOf('payments/outcome')).toEqual(['COMMIT PREPARED'])
    const driver = spans.filter(({ scope }) => scope === '@opentelemetry/instrumentation-pg').map(({ name }) => name)
    expect(driver.toSorted()).toEqual([
      'pg.query:BEGIN postgres',
      'pg.query:SELECT postgres',
      'pg.query:SELECT postgres',
      'pg.query:UPDATE postgres',
    ])
  } finally {
    await server.stop()
  }
})
