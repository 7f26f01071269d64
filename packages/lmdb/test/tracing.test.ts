import { context, trace } from '@opentelemetry/api'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Recorded } from '../../participant/test/recorded.ts'
import { Environment } from '../src/environment.ts'
import { LmdbBrokenError } from '../src/errors.ts'
import { makeNote, Place } from './place.ts'

let recorded: Recorded

beforeEach(() => {
  recorded = new Recorded()
})

afterEach(() => {
  recorded[Symbol.dispose]()
  vi.restoreAllMocks()
})

/** Does the work within a span of the test's own. */
async function within<T>(name: string, work: () => Promise<T>): Promise<T> {
  const span = trace.getTracer('test').startSpan(name)
  const result = await context.with(trace.setSpan(context.active(), span), work)
  span.end()
  return result
}

test('each flush of a branch is a part of the span that waits for it', async () => {
  await using place = new Place()
  const store = await place.start()
  const branch = await store.open({ lockTimeoutMs: 100 })
  await branch.session.store.put('key', 1)
  const note = makeNote()
  await within('prepare', () => branch.prepare(note))
  await within('outcome', () => store.finish(note, 'committed'))
  await within('burial', () => store.tombstone(makeNote().id, note.digest))
  expect(recorded.tree).toEqual([
    'INTERNAL prepare',
    '  INTERNAL flush',
    'INTERNAL outcome',
    '  INTERNAL flush',
    'INTERNAL burial',
    '  INTERNAL flush',
  ])
  expect(recorded.named('flush', 0)).toMatchObject({
    attributes: { 'db.system.name': 'lmdb' },
    instrumentationScope: { name: '@verdict/lmdb', version: '0.1.0' },
  })
})

test('what nobody waits for within a span has none', async () => {
  await using place = new Place()
  const store = await place.start()
  const branch = await store.open({ lockTimeoutMs: 100 })
  await branch.session.store.put('key', 1)
  const note = makeNote()
  await branch.prepare(note)
  await store.finish(note, 'committed')
  expect(recorded.spans).toEqual([])
  expect(store.read('key')).toBe(1)
})

test('a flush that failed is an error', async () => {
  await using place = new Place()
  const store = await place.start()
  const branch = await store.open({ lockTimeoutMs: 100 })
  await branch.session.store.put('key', 1)
  vi.spyOn(Environment.prototype, 'write').mockRejectedValue(new LmdbBrokenError('no space left on device'))
  expect(await within('prepare', () => branch.prepare(makeNote()))).toEqual({ kind: 'busy' })
  expect(recorded.tree).toEqual(['INTERNAL prepare', '  INTERNAL flush !lmdb-broken'])
})

test('the span of a caller is still the active one after it waited for a lock', async () => {
  await using place = new Place()
  const store = await place.start()
  const [holder, branch] = [await store.open({ lockTimeoutMs: 100 }), await store.open({ lockTimeoutMs: 5_000 })]
  await holder.session.store.put('key', 1)
  const waiting = within('operation', async () => {
    await branch.session.store.put('key', 2)
    trace.getTracer('user').startSpan('user').end()
  })
  await within('another', () => holder.rollback())
  await waiting
  expect(recorded.tree).toEqual(['INTERNAL another', 'INTERNAL operation', '  INTERNAL user'])
})
