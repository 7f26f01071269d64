import type { Resource } from '@verdict/participant'
import { type PostgresSession, postgres } from '@verdict/postgres'
import { describeResource, type ResourceHarness } from '@verdict/testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../infra/postgres.ts'
import { Wire } from '../../packages/postgres/test/wire.ts'

let server: PostgresServer
let databases = 0

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

function urlOf(server: string, database: string): string {
  const url = new URL(server)
  url.pathname = database
  return url.href
}

/** Runs a statement outside of all branches. */
async function query(database: string, text: string, values: readonly string[] = []): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: urlOf(server.url, database) })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<{ value: string }>(text, [...values])).rows[0]?.value
  } finally {
    await client.end()
  }
}

const harness: ResourceHarness<PostgresSession> = {
  lacks: ['failover'], // it takes a standby: the tests of the package have one
  async create() {
    databases += 1
    const database = `conformance_${databases}`
    await query('postgres', `create database ${database}`)
    await query(database, 'create table entry (key text primary key, value text not null)')
    await query('postgres', 'checkpoint') // or a recovery would go through the making of all databases before
    const wire = await Wire.to(server.port)
    const instances: Resource<PostgresSession>[] = []
    const instance = (): Resource<PostgresSession> => {
      const resource = postgres({ connectionString: urlOf(wire.url, database), capacity: 16 })
      instances.push(resource)
      return resource
    }
    return {
      isShared: true,
      instance,
      // Without `for share`, which would make it a transaction that writes.
      async read({ sql }, key) {
        const { rows } = await sql.query<{ value: string }>('select value from entry where key = $1', [key])
        return rows[0]?.value
      },
      async write({ sql }, key, value) {
        const text = 'insert into entry values ($1, $2) on conflict (key) do update set value = excluded.value'
        await sql.query(text, [key, value])
      },
      committed: (key) => query(database, 'select value from entry where key = $1', [key]),
      async crash() {
        await server.kill()
        await server.restart()
      },
      spoil: async ({ sql }) => void (await sql.query('select 1 / 0')),
      losePrepareAnswer: () => wire.loseAnswerTo('prepare transaction'),
      loseCommitAnswer: () => wire.loseAnswerTo('commit'),
      async unfit() {
        await query(database, `alter database ${database} set synchronous_commit = off`)
        return instance()
      },
      async dispose() {
        await Promise.all(instances.map((resource) => resource.stop()))
        await wire[Symbol.asyncDispose]()
      },
    }
  },
}

describeResource('postgres', harness, { describe, test })
