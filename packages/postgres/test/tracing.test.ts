import { context, trace } from '@opentelemetry/api'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Recorded, spanId } from '../../participant/test/recorded.ts'
import { debit, makeNote, opened, Place, until } from './place.ts'

let place: Place
let recorded: Recorded

beforeAll(async () => {
  place = await Place.make()
})
afterAll(() => place[Symbol.asyncDispose]())

beforeEach(() => {
  recorded = new Recorded()
})
afterEach(() => recorded[Symbol.dispose]())

/** Does the work within a span of the test's own. */
async function within<T>(name: string, work: () => Promise<T>): Promise<T> {
  const span = trace.getTracer('test').startSpan(name)
  const result = await context.with(trace.setSpan(context.active(), span), work)
  span.end()
  return result
}

test('what a preparation sends is shown, each statement until its own answer', async () => {
  const branch = await place.debited(await place.start(), 'a1')
  await within('prepare', () => branch.prepare(makeNote()))
  expect(recorded.tree).toEqual(['INTERNAL prepare', '  CLIENT INSERT verdict.branch', '  CLIENT PREPARE TRANSACTION'])
  const [row, prepare] = [recorded.named('INSERT verdict.branch'), recorded.named('PREPARE TRANSACTION')]
  expect(recorded.moments).toEqual([
    'prepare begins',
    'INSERT verdict.branch begins',
    'PREPARE TRANSACTION begins',
    'INSERT verdict.branch ends',
    'PREPARE TRANSACTION ends',
    'prepare ends',
  ])
  expect(row).toMatchObject({
    attributes: {
      'db.system.name': 'postgresql',
      'db.namespace': 'postgres',
      'db.operation.name': 'INSERT',
      'db.collection.name': 'verdict.branch',
      'server.address': '127.0.0.1',
      'server.port': place.server.port,
    },
    instrumentationScope: { name: '@verdict/postgres', version: '0.1.0' },
  })
  expect(prepare.attributes).not.toHaveProperty('db.collection.name')
})

test('a branch that only read asks, and ends', async () => {
  const branch = await opened(await place.start())
  await branch.session.sql.query('select 1')
  await within('prepare', () => branch.prepare(makeNote()))
  expect(recorded.tree).toEqual(['INTERNAL prepare', '  CLIENT SELECT', '  CLIENT ROLLBACK'])
})

test('a rollback is a part of what refused', async () => {
  const branch = await place.debited(await place.start(), 'a2')
  await within('operation', () => branch.rollback())
  expect(recorded.tree).toEqual(['INTERNAL operation', '  CLIENT ROLLBACK'])
})

test('each ending is shown by the command that it takes', async () => {
  const resource = await place.start()
  for (const ending of ['committed', 'aborted', 'discarded'] as const) {
    const note = await place.prepared(resource, 'a3')
    await within(ending, () => resource.finish(note, ending))
  }
  expect(recorded.tree).toEqual([
    'INTERNAL committed',
    '  CLIENT COMMIT PREPARED',
    'INTERNAL aborted',
    '  CLIENT ROLLBACK PREPARED',
    '  CLIENT INSERT verdict.branch',
    'INTERNAL discarded',
    '  CLIENT ROLLBACK PREPARED',
  ])
})

test('a look and a burial are shown', async () => {
  const resource = await place.start()
  const { id, digest } = makeNote()
  await within('burial', () => resource.tombstone(id, digest))
  await within('look', () => resource.look(id))
  expect(recorded.tree).toEqual([
    'INTERNAL burial',
    '  CLIENT INSERT verdict.branch',
    'INTERNAL look',
    '  CLIENT SELECT pg_prepared_xacts',
    '  CLIENT SELECT verdict.branch',
    '  CLIENT SELECT pg_prepared_xacts',
    '  CLIENT SELECT',
  ])
})

test('an error of the server is told by its SQLSTATE', async () => {
  const resource = await place.start()
  const note = await place.prepared(resource, 'a4')
  expect(await resource.finish(note, 'committed')).toBe('done')
  const branch = await place.debited(resource, 'a5')
  expect(await within('prepare', () => branch.prepare(note))).toEqual({ kind: 'exists' })
  expect(await within('outcome', () => resource.finish(note, 'committed'))).toBe('absent')
  expect(recorded.tree).toEqual([
    'INTERNAL prepare',
    '  CLIENT INSERT verdict.branch !23505',
    '  CLIENT PREPARE TRANSACTION',
    'INTERNAL outcome',
    '  CLIENT COMMIT PREPARED !42704',
    '  CLIENT SELECT pg_prepared_xacts',
  ])
  expect(recorded.named('INSERT verdict.branch').attributes).toMatchObject({ 'db.response.status_code': '23505' })
})

test('what nobody waits for within a span has none, and neither has a statement of an operation', async () => {
  const resource = await place.start()
  await resource.inDoubt(0, 10)
  const branch = await within('operation', () => place.debited(resource, 'a6'))
  const note = makeNote()
  expect(await branch.prepare(note)).toEqual({ kind: 'prepared' })
  expect(await resource.finish(note, 'committed')).toBe('done')
  expect(recorded.tree).toEqual(['INTERNAL operation'])
})

test("an operation's span is still the active one after its statements, also after it waited for a lock that another let go", async () => {
  const resource = await place.start()
  const holder = await place.debited(resource, 'a7')
  const branches = await Promise.all([resource.open({ lockTimeoutMs: 20_000 }), opened(resource)])
  const operations = branches.map((branch, n) =>
    within(`operation ${n}`, async () => {
      await Promise.all([debit(branch, n === 0 ? 'a7' : 'a8'), branch.session.sql.query('select 1')])
      await expect(branch.session.sql.query('select 1/0')).rejects.toThrow()
      trace.getTracer('user').startSpan(`user ${n}`).end()
    }),
  )
  const blocked = "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
  await until(async () => (await place.sql(blocked)).length > 0, 'a statement waits')
  await within('another', () => holder.rollback())
  await Promise.all(operations)
  for (const n of [0, 1]) {
    expect(recorded.named(`user ${n}`).parentSpanContext?.spanId).toBe(spanId(recorded.named(`operation ${n}`)))
  }
  await Promise.all(branches.map((branch) => branch.rollback()))
})

test("a resource's work is in the span of whoever asked, also when it waits for a session of another's", async () => {
  const resource = await place.start()
  const notes = await Promise.all(Array.from({ length: 20 }, (_, n) => place.prepared(resource, `a${20 + n}`)))
  await Promise.all(notes.map((note, n) => within(`outcome ${n}`, () => resource.finish(note, 'committed'))))
  const parents = recorded.spans
    .filter(({ name }) => name === 'COMMIT PREPARED')
    .map(({ parentSpanContext }) => parentSpanContext?.spanId ?? 'none')
  expect(parents.toSorted()).toEqual(notes.map((_, n) => spanId(recorded.named(`outcome ${n}`))).toSorted())
})
