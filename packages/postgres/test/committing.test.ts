import { afterAll, beforeAll, expect, test } from 'vitest'
import { debit, makeNote, opened, Place } from './place.ts'
import { Wire } from './wire.ts'

let place: Place
beforeAll(async () => {
  place = await Place.make()
})
afterAll(() => place[Symbol.asyncDispose]())

const commitNote = () => ({ ...makeNote(), rowAlways: false })

/** Flushes of the write-ahead log that sessions of clients have asked for; a session tells its counters when it ends. */
async function flushes(): Promise<number> {
  const [row] = await place.sql<{ flushes: string }>(
    "select sum(fsyncs) as flushes from pg_stat_io where object = 'wal' and backend_type = 'client backend'",
  )
  return Number(row?.flushes)
}

test('a lone branch commits with its row in one round trip, and keeps no lock and no prepared transaction', async () => {
  await using wire = await Wire.to(place.server.port)
  const resource = await place.start({ connectionString: wire.url })
  const branch = await place.debited(resource, 'a1')
  const before = wire.turns
  const note = commitNote()
  expect(await branch.commit(note)).toEqual({ kind: 'committed' })
  expect(wire.turns - before).toBe(1)
  expect(await place.gids()).toEqual([])
  expect(await resource.look(note.id)).toMatchObject({ state: 'committed', mode: 'lone', token: note.token })
  expect(await place.cents('a1')).toBe(99)
})

test('it costs one flush, where a branch that is prepared first costs two', async () => {
  const count = 20
  const flushesOf = async (end: (resource: Awaited<ReturnType<Place['start']>>, of: string) => Promise<unknown>) => {
    const resource = await place.start()
    const before = await flushes()
    for (let n = 1; n <= count; n += 1) await end(resource, `a${10 + n}`)
    await resource.stop()
    return (await flushes()) - before
  }
  const alone = await flushesOf(async (resource, of) => (await place.debited(resource, of)).commit(commitNote()))
  const prepared = await flushesOf(async (resource, of) =>
    resource.finish(await place.prepared(resource, of), 'committed'),
  )
  expect([alone, prepared]).toEqual([count, 2 * count])
})

test('a deferred constraint that fails at COMMIT refuses the branch', async () => {
  await place.sql('create table parent (id int primary key)')
  await place.sql('create table child (parent int references parent deferrable initially deferred)')
  const resource = await place.start()
  const branch = await opened(resource)
  await branch.session.sql.query('insert into child values (1)')
  const note = commitNote()
  expect(await branch.commit(note)).toMatchObject({ kind: 'refused', reason: { code: 'resource-refused' } })
  expect(await resource.look(note.id)).toEqual({ state: 'nothing' })
})

test('a branch that an operation ended behind our back is refused, and writes no row', async () => {
  const resource = await place.start()
  const branch = await opened(resource)
  await branch.session.sql.query("do $$ begin perform set_config('verdict.branch', 'other', true); end $$")
  await debit(branch, 'a2')
  const note = commitNote()
  expect(await branch.commit(note)).toMatchObject({ kind: 'refused' })
  expect(await resource.look(note.id)).toEqual({ state: 'nothing' })
  expect(await place.cents('a2')).toBe(100)
})

test('a read-only branch is one that the server itself keeps from writing', async () => {
  const resource = await place.start()
  const branch = await resource.open({ lockTimeoutMs: 1_000, readOnly: true })
  await expect(debit(branch, 'a3')).rejects.toMatchObject({ code: '25006' })
  await branch.rollback()
  expect(await place.cents('a3')).toBe(100)
})

test('a COMMIT that the server still has before it is waited for: the tombstone tells which of both won (hole 17)', async () => {
  await using wire = await Wire.to(place.server.port)
  const resource = await place.start({ connectionString: wire.url })
  const branch = await place.debited(resource, 'a4')
  const note = commitNote()
  wire.loseAnswerTo('commit')
  expect(await branch.commit(note)).toEqual({ kind: 'busy' })
  let buried = await resource.tombstone(note.id, note.digest)
  while (buried === 'busy') buried = await resource.tombstone(note.id, note.digest)
  const { state } = await resource.look(note.id)
  expect([buried, state]).toEqual(buried === 'exists' ? ['exists', 'committed'] : ['done', 'aborted'])
  expect(await place.cents('a4')).toBe(state === 'committed' ? 99 : 100)
})
