import { afterAll, beforeAll, expect, test } from 'vitest'
import { rowTimeoutMs } from '../src/branch.ts'
import { debit, makeNote, opened, Place, until } from './place.ts'
import { Wire } from './wire.ts'

let place: Place

beforeAll(async () => {
  place = await Place.make()
  await place.sql('create table owner (id text primary key)')
  await place.sql(
    'create table card (id text primary key, owner text references owner deferrable initially deferred, pair text)',
  )
})
afterAll(() => place[Symbol.asyncDispose]())

test('a branch of one statement takes three round trips: the statement, the row with PREPARE, COMMIT PREPARED', async () => {
  await using wire = await Wire.to(place.server.port)
  const resource = await place.start({ connectionString: wire.url })
  const run = async (): Promise<void> => {
    const note = await place.prepared(resource, 'a1')
    expect(await place.cents('a1')).toBe(before)
    expect(await resource.finish(note, 'committed')).toBe('done')
  }
  let before = 100
  await run() // connects
  before = 99
  const turns = wire.turns
  await run()
  expect(wire.turns - turns).toBe(3)
  expect(await place.cents('a1')).toBe(98)
})

test('of two branches of one id that write their row at the same time one is prepared, the other busy', async () => {
  const resource = await place.start()
  const { id } = makeNote()
  const rival = await rivalOf(id)
  const branch = await place.debited(resource, 'a2')
  expect(await branch.prepare(makeNote({ id }))).toEqual({ kind: 'busy' })
  await rival.rollback()
  const last = await place.prepared(resource, 'a2', makeNote({ id }))
  expect(await resource.finish(last, 'discarded')).toBe('done')
})

test('a branch of an id that is prepared already exists, whoever prepared it', async () => {
  const [one, two] = [await place.start(), await place.start()]
  const first = await place.prepared(one, 'a3')
  const second = await place.debited(two, 'a4')
  expect(await second.prepare(makeNote({ id: first.id }))).toEqual({ kind: 'exists' })
  expect(await two.finish(first, 'aborted')).toBe('done')
})

test('an id is good for one branch for ever, though PostgreSQL takes a name again after COMMIT PREPARED', async () => {
  const resource = await place.start()
  const note = await place.prepared(resource, 'a5')
  expect(await resource.finish(note, 'committed')).toBe('done')
  expect(await (await place.debited(resource, 'a5')).prepare(note)).toEqual({ kind: 'exists' })
  expect(await place.cents('a5')).toBe(99)
})

test('a branch that only read leaves nothing, and a locking read is no such branch', async () => {
  const resource = await place.start()
  const reader = await opened(resource)
  await reader.session.sql.query('select * from account where id = $1', ['a6'])
  const note = makeNote()
  expect(await reader.prepare(note)).toEqual({ kind: 'read-only' })
  expect(await resource.look(note.id)).toEqual({ state: 'nothing' })
  const locker = await opened(resource)
  await locker.session.sql.query('select * from account where id = $1 for update', ['a6'])
  expect(await locker.prepare(note)).toEqual({ kind: 'prepared' })
  expect(await resource.finish(note, 'discarded')).toBe('done')
})

test('what a serializable transaction has read counts only once its end succeeded', async () => {
  await place.sql("insert into card values ('r1', null, '0'), ('r2', null, '0')")
  const resource = await place.start()
  const [reader, pivot] = [await opened(resource), await opened(resource)]
  for (const { session } of [reader, pivot]) await session.sql.query('set transaction isolation level serializable')
  await pivot.session.sql.query("select pair from card where id = 'r1'")
  const other = await opened(resource)
  await other.session.sql.query('set transaction isolation level serializable')
  await other.session.sql.query("update card set pair = '1' where id = 'r1'")
  const note = makeNote()
  expect(await other.prepare(note)).toEqual({ kind: 'prepared' })
  expect(await resource.finish(note, 'committed')).toBe('done')
  // The reader sees `other` but not `pivot`, who has not seen `other`: once it has been told so, `pivot` cannot be.
  await reader.session.sql.query("select id, pair from card where id in ('r1', 'r2')")
  expect(await reader.prepare(makeNote())).toEqual({ kind: 'read-only' })
  await pivot.session.sql.query("update card set pair = '1' where id = 'r2'").catch(() => undefined)
  expect(await pivot.prepare(makeNote())).toMatchObject({ kind: 'refused', reason: { retryable: true } })
})

test('an update that met no row wrote nothing', async () => {
  const branch = await opened(await place.start())
  expect(await debit(branch, 'nobody')).toBe(0)
  expect(await branch.prepare(makeNote())).toEqual({ kind: 'read-only' })
})

test.each([
  'commit',
  'ROLLBACK',
  ' begin',
  '/* now */ -- really\n end',
  "prepare transaction 'x'",
  'start transaction',
])('an operation cannot end its transaction by %j', async (statement) => {
  const branch = await place.debited(await place.start(), 'a7')
  await expect(branch.session.sql.query(statement)).rejects.toMatchObject({ code: 'branch-misused' })
  await branch.rollback()
  expect(await place.cents('a7')).toBe(100)
})

test('no second statement hides behind a semicolon', async () => {
  const branch = await place.debited(await place.start(), 'a7')
  await expect(branch.session.sql.query('select 1; commit')).rejects.toMatchObject({ code: '42601' })
  await branch.rollback()
  expect(await place.cents('a7')).toBe(100)
})

test('savepoints are free to use', async () => {
  const resource = await place.start()
  const branch = await place.debited(resource, 'a8')
  await branch.session.sql.query('savepoint one')
  await expect(branch.session.sql.query('select 1/0')).rejects.toMatchObject({ code: '22012' })
  await branch.session.sql.query('rollback to savepoint one')
  const note = makeNote()
  expect(await branch.prepare(note)).toEqual({ kind: 'prepared' })
  expect(await resource.finish(note, 'committed')).toBe('done')
})

test('a transaction that is not the one of the branch is not prepared, and later statements of it cannot write', async () => {
  const hidden = '; commit' // the session looks at the first word only
  const resource = await place.start()
  const ended = await place.debited(resource, 'a9')
  await ended.session.sql.query(hidden)
  await expect(debit(ended, 'a9')).rejects.toMatchObject({ code: '25006' })
  const note = makeNote()
  expect(await ended.prepare(note)).toMatchObject({ kind: 'refused', reason: { retryable: false } })
  const again = await place.debited(resource, 'a10')
  await again.session.sql.query('; rollback and chain')
  await debit(again, 'a10')
  const result = await again.prepare(note)
  expect(result).toMatchObject({ kind: 'refused' })
  expect(JSON.stringify(result)).toContain('ended the local transaction')
  expect(await place.gids()).toEqual([])
  expect(await resource.look(note.id)).toEqual({ state: 'nothing' })
})

test('rows that changed, though nothing was written here, cannot be prepared', async () => {
  // As with a foreign table: the command's tag counts a row, the transaction has no id.
  await place.sql(
    `create view mailbox as select ''::text as mail;
    create function post() returns trigger language plpgsql as 'begin return new; end';
    create trigger post instead of insert on mailbox for each row execute function post()`,
  )
  const branch = await opened(await place.start())
  await branch.session.sql.query("insert into mailbox values ('hello')")
  const note = makeNote()
  expect(await branch.prepare(note)).toMatchObject({
    kind: 'refused',
    reason: { retryable: false, message: expect.stringContaining('foreign table') },
  })
  expect(await place.gids()).toEqual([])
})

test('a branch in another role is not prepared: its end would not be allowed', async () => {
  await place.sql(
    'create role clerk; grant all on schema verdict to clerk; grant all on verdict.branch, account to clerk',
  )
  const branch = await place.debited(await place.start(), 'a11')
  await branch.session.sql.query('set local role clerk')
  expect(await branch.prepare(makeNote())).toMatchObject({ kind: 'refused' })
  expect(await place.gids()).toEqual([])
})

test.each(['a12', 'nobody'])(
  'a failed statement is the reason of the refusal, not its echo (after a debit of %s)',
  async (id) => {
    const branch = await place.debited(await place.start(), id)
    await expect(branch.session.sql.query("update account set cents = -1 where id = 'a12'")).rejects.toThrow()
    await expect(branch.session.sql.query('select 1')).rejects.toMatchObject({ code: '25P02' })
    const result = await branch.prepare(makeNote())
    expect(result).toMatchObject({ kind: 'refused', reason: { code: 'resource-refused', retryable: false } })
    expect(JSON.stringify(result)).toContain('account_cents_check')
  },
)

test('a deferred constraint speaks at prepare: refused, and trying again does not help', async () => {
  const branch = await opened(await place.start())
  await branch.session.sql.query("insert into card values ('c1', 'nobody')")
  const note = makeNote()
  expect(await branch.prepare(note)).toMatchObject({
    kind: 'refused',
    reason: { code: 'resource-refused', retryable: false, message: expect.stringContaining('card') },
  })
})

test('a deferred constraint that waits for a lock is a lock time-out, not a row under way', async () => {
  await place.sql("insert into owner values ('o1')")
  const resource = await place.start()
  const holder = await opened(resource)
  await holder.session.sql.query("delete from owner where id = 'o1'")
  const branch = await opened(resource)
  await branch.session.sql.query("insert into card values ('c2', 'o1')")
  expect(await branch.prepare(makeNote())).toMatchObject({
    kind: 'refused',
    reason: { code: 'lock-timeout', retryable: true },
  })
  await holder.rollback()
})

test('a deferred constraint may wait as long as any statement, longer than a row may', async () => {
  await place.sql("insert into owner values ('o3')")
  const resource = await place.start()
  const holder = await opened(resource)
  await holder.session.sql.query("delete from owner where id = 'o3'")
  const branch = await resource.open({ lockTimeoutMs: 20_000 })
  await branch.session.sql.query("insert into card values ('c4', 'o3')")
  const note = makeNote()
  const preparing = branch.prepare(note)
  const waiting = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'prepare transaction%'
    and query_start < clock_timestamp() - interval '${2 * rowTimeoutMs} milliseconds'`
  await until(async () => (await place.sql(waiting)).length === 1, 'it has waited longer than a row may')
  await holder.rollback()
  expect(await preparing).toEqual({ kind: 'prepared' })
  expect(await resource.finish(note, 'committed')).toBe('done')
})

test('a serialization failure at prepare is worth another attempt', async () => {
  await place.sql("insert into card values ('s1', null, '0'), ('s2', null, '0')")
  const resource = await place.start()
  const branches = await Promise.all([opened(resource), opened(resource)])
  for (const { session } of branches) {
    await session.sql.query('set transaction isolation level serializable')
    await session.sql.query('select sum(pair::int) from card')
  }
  await branches[0].session.sql.query("update card set pair = '1' where id = 's1'")
  await branches[1].session.sql.query("update card set pair = '1' where id = 's2'")
  const note = makeNote()
  expect(await branches[0].prepare(note)).toEqual({ kind: 'prepared' })
  expect(await branches[1].prepare(makeNote())).toMatchObject({ kind: 'refused', reason: { retryable: true } })
  expect(await resource.finish(note, 'committed')).toBe('done')
})

test('a temporary table cannot be prepared, and the refusal says so', async () => {
  const branch = await opened(await place.start())
  await branch.session.sql.query('create temporary table scratch (x int)')
  expect(await branch.prepare(makeNote())).toMatchObject({
    kind: 'refused',
    reason: { retryable: false, message: expect.stringContaining('temporary') },
  })
})

test('a statement after the end is not run', async () => {
  const resource = await place.start()
  const branch = await place.debited(resource, 'a13')
  const note = makeNote()
  const preparing = branch.prepare(note)
  await expect(debit(branch, 'a13')).rejects.toMatchObject({ code: 'branch-misused' })
  expect(await preparing).toEqual({ kind: 'prepared' })
  expect(await resource.finish(note, 'committed')).toBe('done')
  expect(await place.cents('a13')).toBe(99)
})

test('when the answer to PREPARE is lost the branch is busy; look and inDoubt know the truth, and nothing was rolled back', async () => {
  await using wire = await Wire.to(place.server.port)
  const resource = await place.start({ connectionString: wire.url })
  const branch = await place.debited(resource, 'a14')
  const note = makeNote()
  wire.loseAnswerTo('prepare transaction')
  expect(await branch.prepare(note)).toEqual({ kind: 'busy' })
  await branch.rollback()
  await until(async () => (await resource.look(note.id)).state === 'prepared', 'the branch is prepared')
  expect((await resource.inDoubt(0, 10)).map(({ id }) => id)).toEqual([note.id])
  expect(await resource.finish(note, 'committed')).toBe('done')
  expect(await place.cents('a14')).toBe(99)
})

test('a session that ends before PREPARE is sent was refused for certain', async () => {
  const resource = await place.start()
  const branch = await place.debited(resource, 'a15')
  await place.sql(
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where state = 'idle in transaction' and query like 'update account%'",
  )
  await expect(debit(branch, 'a15')).rejects.toThrow()
  expect(await branch.prepare(makeNote())).toMatchObject({ kind: 'refused', reason: { retryable: true } })
  expect(await place.cents('a15')).toBe(100)
})

test('a session that is ended during PREPARE leaves the branch busy', async () => {
  const resource = await place.start()
  await place.sql("insert into owner values ('o2')")
  const holder = await opened(resource)
  await holder.session.sql.query("delete from owner where id = 'o2'")
  const branch = await resource.open({ lockTimeoutMs: 20_000 })
  await branch.session.sql.query("insert into card values ('c3', 'o2')")
  const preparing = branch.prepare(makeNote())
  const blocked = "from pg_stat_activity where wait_event_type = 'Lock' and query like 'prepare transaction%'"
  await until(async () => (await place.sql(`select 1 ${blocked}`)).length === 1, 'the deferred constraint waits')
  await place.sql(`select pg_terminate_backend(pid) ${blocked}`)
  expect(await preparing).toEqual({ kind: 'busy' })
  await holder.rollback()
})

/** Somebody whose row of this id is under way: written, neither prepared nor ended. */
async function rivalOf(id: string): Promise<{ rollback(): Promise<void> }> {
  const resource = await place.start()
  const branch = await opened(resource)
  await branch.session.sql.query(
    "insert into verdict.branch (id, participant, state, xid, digest, token) values ($1, 'payments', 'committed', pg_current_xact_id(), 'd', 't')",
    [id],
  )
  return branch
}
