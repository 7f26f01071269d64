import { connect, TransactionAborted, type Verdict } from '@verdict/client'
import { defineParticipant, operation } from '@verdict/participant'
import { type PostgresSession, postgres } from '@verdict/postgres'
import { startInProcess } from '@verdict/testing'
import pg from 'pg'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type PostgresServer, startPostgres } from '../../infra/postgres.ts'

const input = z.object({ cents: z.number().int() })

function bank(name: string, { url }: PostgresServer) {
  return defineParticipant({
    name,
    resource: postgres({ connectionString: url }),
    operations: {
      add: operation({
        input,
        async run({ cents }, { sql }: PostgresSession) {
          await sql.query('update account set cents = cents + $1 where id = 1', [cents])
        },
      }),
    },
  })
}

type Bank = ReturnType<typeof bank>

async function startBank(): Promise<PostgresServer> {
  const server = await startPostgres()
  await run(server, 'create table account (id integer primary key, cents integer not null)')
  await run(server, 'insert into account values (1, 0)')
  return server
}

async function run<Row extends object>({ url }: PostgresServer, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

async function cents(server: PostgresServer): Promise<number | undefined> {
  return (await run<{ cents: number }>(server, 'select cents from account'))[0]?.cents
}

/** Lets as many pass as have come. */
class Meeting {
  readonly #wanted: number
  readonly #met = Promise.withResolvers<void>()
  #come = 0

  constructor(wanted: number) {
    this.#wanted = wanted
  }

  arrive(): Promise<void> {
    this.#come += 1
    if (this.#come === this.#wanted) this.#met.resolve()
    return this.#met.promise
  }
}

/** Two transactions, each of which has locked what the other one asks for. Gives what became of them. */
async function cross(verdict: Verdict, retry: 'never' | 'contention') {
  const meeting = new Meeting(2)
  const ids: string[] = []
  const runs = [0, 0]
  const both = [
    ['north', 'south'],
    ['south', 'north'],
  ] as const
  const results = await Promise.allSettled(
    both.map(async ([first, second], which) => {
      const options = { retry, budgetMs: 30_000 }
      return await verdict.transaction(async (tx) => {
        ids[which] ??= tx.id
        runs[which] = (runs[which] ?? 0) + 1
        await tx.on<Bank>(first).add({ cents: 1 })
        await meeting.arrive()
        await tx.on<Bank>(second).add({ cents: 1 })
      }, options)
    }),
  )
  return { ids, runs, results }
}

test('a deadlock over two databases ends by a time-out that says who held what, and both transactions commit in the end', async () => {
  const [north, south] = await Promise.all([startBank(), startBank()])
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => void (await Promise.all([north.stop(), south.stop()])))
  const inProcess = stack.use(await startInProcess())
  const { world } = inProcess
  stack.use(await bank('north', north).serve({ world }))
  stack.use(await bank('south', south).serve({ world }))
  const verdict = stack.use(await connect({ world, owner: 'deadlock' }))

  const once = await cross(verdict, 'never')
  const refusals = once.results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  expect(refusals.length).toBeGreaterThan(0)
  for (const refusal of refusals) {
    if (!(refusal instanceof TransactionAborted)) throw refusal
    const other = once.ids.find((id) => id !== refusal.id)
    expect(refusal.reason).toMatchObject({ code: 'lock-timeout', heldBy: [{ transaction: other }] })
    expect(refusal.message).toContain(`held by transaction ${other}`)
  }
  const committed = once.results.length - refusals.length
  const balances = async (): Promise<unknown> => [await cents(north), await cents(south)]
  await expect.poll(balances).toEqual([committed, committed])

  const again = await cross(verdict, 'contention')
  expect(again.results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
  expect(Math.max(...again.runs)).toBeGreaterThan(1)
  await expect.poll(balances).toEqual([committed + 2, committed + 2])
}, 120_000)
