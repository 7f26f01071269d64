import { defineParticipant } from '@verdict/participant'
import { type PostgresSession, postgres } from '@verdict/postgres'
import { type CrashReport, type CrashTest, crashTest } from '@verdict/testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type PostgresServer, startPostgres } from '../../../../infra/postgres.ts'

vi.setConfig({ testTimeout: 120_000 }) // some seventy lives of a service each, with connections of their own

type Debiting = (cents: number, context: PostgresSession) => Promise<unknown>

let server: PostgresServer
/** Of the test; a wrong service uses it as a pool of its own. */
let pool: pg.Pool

beforeAll(async () => {
  server = await startPostgres()
  pool = new pg.Pool({ connectionString: server.url })
  await pool.query('create table account (id text primary key, cents integer not null)')
  await pool.query('create table entry (n serial primary key, cents integer not null)')
})
afterAll(async () => {
  await pool.end()
  await server.stop()
})

function tryBank(debit: Debiting, options: Partial<Pick<CrashTest<never>, 'accept'>> = {}): Promise<CrashReport> {
  return crashTest({
    define: () =>
      defineParticipant({
        name: 'bank',
        resource: postgres({ connectionString: server.url }),
        operations: {
          debit: { input: z.number(), run: (cents, { sql }) => debit(cents, { sql }) },
        },
      }),
    call: { operation: 'debit', input: 30 },
    reset: () =>
      pool.query(
        "delete from account; delete from entry; alter sequence entry_n_seq restart; insert into account values ('anna', 100)",
      ),
    state: async () => [
      (await pool.query('select * from account order by id')).rows,
      (await pool.query('select cents from entry order by n')).rows,
    ],
    ...options,
  })
}

const update = "update account set cents = cents - $1 where id = 'anna'"
const insert = 'insert into entry (cents) values ($1)'

test('a service that takes part of its work back to a savepoint passes every crash point', async () => {
  const report = await tryBank(async (cents, { sql }) => {
    await sql.query(update, [cents])
    await sql.query('savepoint before_entry')
    await sql.query(`${insert}, ($1)`, [cents])
    await sql.query('rollback to savepoint before_entry')
    await sql.query(insert, [cents])
  })
  report.assert()
})

test('a number from a sequence is told, unless that is meant to be so', async () => {
  const numbered: Debiting = async (cents, { sql }) => (await sql.query(`${insert} returning n`, [cents])).rows
  const report = await tryBank(numbered)
  expect(report.faults.map(({ kind }) => kind)).toEqual(['memory'])
  ;(await tryBank(numbered, { accept: ['memory'] })).assert()
})

test('a number from a sequence in the data is told as one', async () => {
  const report = await tryBank(async (cents, { sql }) => {
    await sql.query("insert into account select 'n' || n, $1 from (select nextval('entry_n_seq') as n) as next", [
      cents,
    ])
  })
  expect(report.faults.map(({ kind }) => kind)).toEqual(['memory'])
})

interface Wrong {
  readonly what: string
  readonly says: string
  readonly debit: Debiting
}

const ended = "'debit' ends the branch's transaction by itself: a part of it would stay though the others abort."
const left =
  "After a crash before the vote, 'debit' left its effect behind: it writes outside the branch's transaction."

const gallery: readonly Wrong[] = [
  {
    what: 'asks for COMMIT',
    says: ended,
    async debit(cents, { sql }) {
      await sql.query(update, [cents])
      await sql.query('commit')
    },
  },
  {
    what: 'asks for COMMIT and does not look whether it came to it',
    says: ended,
    async debit(cents, { sql }) {
      await sql.query(update, [cents])
      await sql.query('commit').catch(() => undefined)
    },
  },
  {
    what: 'uses a pool of its own',
    says: left,
    async debit(cents, { sql }) {
      await sql.query(insert, [cents])
      await pool.query(update, [cents])
    },
  },
  {
    what: 'opens a connection of its own each time',
    says: left,
    async debit(cents, { sql }) {
      await sql.query(insert, [cents])
      const client = new pg.Client(server.url)
      await client.connect()
      await client.query(update, [cents])
      await client.end()
    },
  },
  {
    what: 'reads without a lock what it then writes',
    says: "When two run at the same time, 'debit' loses an effect: it reads what it changes without a lock, or on another connection.",
    async debit(cents, { sql }) {
      const [row] = (await sql.query<{ cents: number }>("select cents from account where id = 'anna'")).rows
      await sql.query("update account set cents = $1 where id = 'anna'", [Number(row?.cents) - cents])
    },
  },
  {
    what: 'does not await a statement',
    says: "'debit' returns without waiting for a statement (query insert into entry (cents) values ($1)): it could fail unseen, or miss the commit.",
    async debit(cents, { sql }) {
      void sql.query(insert, [cents])
      await sql.query(update, [cents])
    },
  },
]

describe('the kit says of a service on PostgreSQL that', () => {
  test.each(gallery)('$what', async ({ debit, says }) => {
    const report = await tryBank(debit)
    expect(report.faults.map(({ sentence }) => sentence)).toEqual([says])
  })
})
