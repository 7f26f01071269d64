import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeGid } from '../src/gid.ts'
import { historyMark } from '../src/history.ts'
import { makeNote, opened, Place, payments, until } from './place.ts'

let place: Place

beforeAll(async () => {
  place = await Place.make()
})
afterAll(() => place[Symbol.asyncDispose]())

const elsewhere = historyMark('1', '00000001')

/** Prepares by hand what a branch of another server, or timeline, would have left. */
async function preparedElsewhere(id: string): Promise<ReturnType<typeof makeNote>> {
  const note = makeNote()
  const gid = makeGid(payments, { ...note, history: elsewhere })
  await place.sql(
    `begin; update account set cents = cents - 1 where id = '${id}';
    insert into verdict.branch (id, participant, state, xid, digest, token)
      values ('${note.id}', 'payments', 'committed', pg_current_xact_id(), '${note.digest}', '${note.token}');
    prepare transaction '${gid}'`,
  )
  return note
}

test('a branch outlives a crash of the server between PREPARE and COMMIT PREPARED, and so do our connections', async () => {
  const resource = await place.start()
  const note = await place.prepared(resource, 'a1')
  const open = await place.debited(resource, 'a2')
  await place.server.kill()
  expect(await resource.finish(note, 'committed')).toBe('busy')
  await expect(resource.open({ lockTimeoutMs: 100 })).rejects.toMatchObject({ code: 'resource-refused' })
  await place.server.restart()
  expect(await resource.finish(note, 'committed')).toBe('done')
  expect(await place.cents('a1')).toBe(99)
  expect(await open.prepare(makeNote())).toMatchObject({ kind: 'refused' })
  expect(await resource.finish(await place.prepared(resource, 'a2'), 'committed')).toBe('done')
})

test('connections that the server ended while they idled are made anew', async () => {
  const resource = await place.start()
  const [first, second] = [await place.prepared(resource, 'a1'), await place.prepared(resource, 'a2')]
  expect(await resource.finish(first, 'committed')).toBe('done')
  await place.server.restart()
  expect(await resource.finish(second, 'committed')).toBe('done')
  expect(await resource.finish(await place.prepared(resource, 'a1'), 'committed')).toBe('done')
})

test('a branch that was rolled back by hand is absent, and so is one that has ended', async () => {
  const resource = await place.start()
  const note = await place.prepared(resource, 'a3')
  for (const gid of await place.gids()) await place.sql(`rollback prepared '${gid}'`)
  for (const ending of ['committed', 'aborted', 'discarded'] as const) {
    expect(await resource.finish(note, ending)).toBe('absent')
  }
  expect(await resource.look(note.id)).toEqual({ state: 'nothing' })
  const ended = await place.prepared(resource, 'a3')
  expect(await resource.finish(ended, 'committed')).toBe('done')
  expect(await resource.finish(ended, 'committed')).toBe('absent')
  expect(await resource.look(ended.id)).toMatchObject({ state: 'committed', token: ended.token })
})

test('an aborted branch leaves a row, a discarded one leaves none', async () => {
  const resource = await place.start()
  const [aborted, discarded] = [await place.prepared(resource, 'a4'), await place.prepared(resource, 'a5')]
  expect(await resource.finish(aborted, 'aborted')).toBe('done')
  expect(await resource.finish(discarded, 'discarded')).toBe('done')
  expect(await resource.look(aborted.id)).toEqual({ state: 'aborted' })
  expect(await resource.look(discarded.id)).toEqual({ state: 'nothing' })
  expect(await place.cents('a4')).toBe(100)
})

test('a branch that another session is ending is busy', async () => {
  const resource = await place.start()
  const note = await place.prepared(resource, 'a6')
  const answers = await Promise.all(Array.from({ length: 4 }, () => resource.finish(note, 'committed')))
  expect(answers.filter((answer) => answer === 'done')).toHaveLength(1)
  expect(await place.cents('a6')).toBe(99)
})

test('phase two works while every connection for branches waits for a lock', async () => {
  const resource = await place.start({ capacity: 4 })
  const note = await place.prepared(resource, 'a7')
  const waiting = await Promise.all(Array.from({ length: 4 }, () => resource.open({ lockTimeoutMs: 20_000 })))
  const debits = waiting.map(({ session }) =>
    session.sql.query("update account set cents = cents - 1 where id = 'a7'").then(() => 'went on'),
  )
  await expect(opened(resource)).rejects.toMatchObject({ reason: { code: 'overloaded', retryable: true } })
  const blocked = "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
  await until(async () => (await place.sql(blocked)).length === 4, 'all connections wait')
  expect((await resource.look(note.id)).state).toBe('prepared')
  expect(await resource.finish(note, 'committed')).toBe('done')
  expect(await Promise.race(debits)).toBe('went on')
  await Promise.all([
    ...debits.map((debit) => debit.catch(() => 'ended')),
    ...waiting.map((branch) => branch.rollback()),
  ])
})

test('a tombstone keeps a branch of its id out; one that meets a row under way says busy, a prepared one exists', async () => {
  const resource = await place.start()
  const note = makeNote()
  expect(await resource.tombstone(note.id, note.digest)).toBe('done')
  expect(await resource.tombstone(note.id, note.digest)).toBe('exists')
  expect(await (await place.debited(resource, 'a8')).prepare(note)).toEqual({ kind: 'exists' })
  const prepared = await place.prepared(resource, 'a8')
  expect(await resource.tombstone(prepared.id, prepared.digest)).toBe('exists')
  expect(await resource.finish(prepared, 'discarded')).toBe('done')
  const underway = makeNote()
  const rival = await opened(resource)
  await rival.session.sql.query(
    "insert into verdict.branch (id, participant, state, xid, digest) values ($1, 'payments', 'aborted', pg_current_xact_id(), 'd')",
    [underway.id],
  )
  expect(await resource.tombstone(underway.id, underway.digest)).toBe('busy')
  await rival.rollback()
})

test('a branch of another history is shown as changed, and only a real outcome ends it', async () => {
  const resource = await place.start()
  const [first, second] = [await preparedElsewhere('a9'), await preparedElsewhere('a10')]
  expect(await resource.look(first.id)).toMatchObject({ state: 'prepared', history: 'changed' })
  expect((await resource.inDoubt(0, 10)).map(({ history }) => history)).toEqual(['changed', 'changed'])
  expect(await resource.finish(first, 'discarded')).toBe('busy')
  expect(await place.gids()).toHaveLength(2)
  expect(await resource.finish(first, 'committed')).toBe('done')
  expect(await resource.finish(second, 'aborted')).toBe('done')
  expect([await place.cents('a9'), await place.cents('a10')]).toEqual([99, 100])
})

test('a rolled back branch whose statement still runs has let its locks go', async () => {
  const resource = await place.start()
  const branch = await place.debited(resource, 'a11')
  const sleeping = branch.session.sql.query('select pg_sleep(60)').catch((error: unknown) => resource.explain(error))
  await until(
    async () =>
      (await place.sql("select 1 from pg_stat_activity where query like '%pg_sleep(60)' and wait_event = 'PgSleep'"))
        .length === 1,
    'it sleeps',
  )
  await branch.rollback()
  expect(await sleeping).toMatchObject({ retryable: true })
  expect(await resource.finish(await place.prepared(resource, 'a11'), 'committed')).toBe('done')
})
