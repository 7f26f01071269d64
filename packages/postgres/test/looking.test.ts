import { encodePayload, participantName } from '@verdict/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeNote, opened, Place, until } from './place.ts'

let place: Place

beforeAll(async () => {
  place = await Place.make()
})
afterAll(() => place[Symbol.asyncDispose]())

test('a committed row shows digest, token and results, byte for byte', async () => {
  const resource = await place.start()
  const results = [encodePayload({ n: 1 }, 'a'), encodePayload('\\x00"{,}', 'b'), encodePayload(undefined, 'c')]
  const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
  const note = makeNote({ results, trace })
  await place.prepared(resource, 'a1', note)
  expect(await resource.look(note.id)).toMatchObject({ state: 'prepared', history: 'same', token: note.token })
  expect(await resource.finish(note, 'committed')).toBe('done')
  const row = await resource.look(note.id)
  expect(row).toEqual({ state: 'committed', mode: 'logged', digest: note.digest, token: note.token, results })
  const [kept] = await place.sql<{ trace: unknown }>(`select trace from verdict.branch where id = '${note.id}'`)
  expect(kept?.trace).toEqual(trace)
})

test('no results and an empty list of results are told apart', async () => {
  const resource = await place.start()
  const [none, empty] = [await place.prepared(resource, 'a1'), makeNote({ results: [] })]
  expect(await resource.finish(none, 'committed')).toBe('done')
  expect(await resource.finish(await place.prepared(resource, 'a1', empty), 'committed')).toBe('done')
  expect(await resource.look(none.id)).not.toHaveProperty('results')
  expect(await resource.look(empty.id)).toMatchObject({ results: [] })
})

test('in doubt are the branches of this participant in this database, of the minimum age, oldest first', async () => {
  await place.sql('create database other')
  const otherDatabase = place.server.url.replace(/postgres$/, 'other')
  const [resource, other] = [await place.start(), await place.start({}, participantName('payments-eu'))]
  await place.sql('create table account (id text, cents integer)', otherDatabase)
  const far = await place.start({ connectionString: otherDatabase })
  await place.sql("begin; update account set cents = 1 where id = 'a50'; prepare transaction 'somebody-else'")
  const insert = await opened(far)
  await insert.session.sql.query("insert into account values ('x', 1)")
  const farNote = makeNote()
  expect(await insert.prepare(farNote)).toEqual({ kind: 'prepared' })
  const notes = [await place.prepared(resource, 'a2'), await place.prepared(resource, 'a3')]
  const foreign = await place.prepared(other, 'a4')
  const found = await resource.inDoubt(0, 10)
  expect(found).toEqual(notes.map(({ id, digest, token }) => ({ id, digest, token, history: 'same' })))
  expect((await resource.inDoubt(0, 1)).map(({ id }) => id)).toEqual([notes[0]?.id])
  expect(await resource.inDoubt(3_600_000, 10)).toEqual([])
  expect(await resource.look(farNote.id)).toEqual({ state: 'nothing' })
  expect(await resource.look(foreign.id)).toEqual({ state: 'nothing' })
  expect(await resource.finish(farNote, 'committed')).toBe('busy')
  expect(await far.finish(farNote, 'committed')).toBe('done')
  for (const note of notes) expect(await resource.finish(note, 'discarded')).toBe('done')
  expect(await other.finish(foreign, 'discarded')).toBe('done')
  expect(await place.gids()).toEqual(['somebody-else'])
  await place.sql("rollback prepared 'somebody-else'")
})

test('two participants may use one database: the same id is a branch of each', async () => {
  const [payments, orders] = [await place.start(), await place.start({}, participantName('orders'))]
  const note = await place.prepared(payments, 'a5')
  await place.prepared(orders, 'a6', note)
  expect(await payments.finish(note, 'committed')).toBe('done')
  expect((await orders.look(note.id)).state).toBe('prepared')
  expect(await orders.finish(note, 'aborted')).toBe('done')
  expect([(await payments.look(note.id)).state, (await orders.look(note.id)).state]).toEqual(['committed', 'aborted'])
})

test('what is seen is told only once the synchronous standby has it', async () => {
  const resource = await place.start()
  const notes = [await place.prepared(resource, 'a10'), await place.prepared(resource, 'a11')] as const
  expect(await resource.finish(notes[1], 'committed')).toBe('done')
  const branch = await place.debited(resource, 'a12')
  await branch.session.sql.query('set local synchronous_commit = off') // not the operation's to decide
  // From now on every commit waits for a standby that is not there.
  await place.sql("alter system set synchronous_standby_names = 'nobody'")
  await place.sql('select pg_reload_conf()')
  // A session that begins with the setting shows that all sessions before it were told to read it again.
  const setting = 'select 1 from pg_settings where name = $$synchronous_standby_names$$ and setting = $$nobody$$'
  await until(async () => (await place.sql(setting)).length === 1, 'the server has read its settings again')
  const waiters = "from pg_stat_activity where wait_event = 'SyncRep'"
  const lastNote = makeNote()
  const answers = [resource.look(notes[0].id), resource.look(notes[1].id), branch.prepare(lastNote)] as const
  await until(async () => (await place.sql(`select 1 ${waiters}`)).length === 3, 'all three wait for the standby')
  expect(await place.gids()).toHaveLength(2) // it is listed before the standby has it
  // The wait is cancelled: it is not known whether the standby has it.
  await place.sql(`select pg_cancel_backend(pid) ${waiters}`)
  expect(await Promise.all(answers)).toEqual([{ state: 'underway' }, { state: 'underway' }, { kind: 'busy' }])
  await place.sql('alter system reset synchronous_standby_names')
  await place.sql('select pg_reload_conf()')
  await until(async () => (await resource.look(lastNote.id)).state === 'prepared', 'the branch is seen')
})
