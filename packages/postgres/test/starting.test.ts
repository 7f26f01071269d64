import { ResourceUnfitError } from '@verdict/participant'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeNote, Place } from './place.ts'

let place: Place

beforeAll(async () => {
  place = await Place.make({ maxPreparedTransactions: 40 })
})
afterAll(() => place[Symbol.asyncDispose]())

/** An empty database on the same server. */
async function emptyDatabase(name: string): Promise<{ readonly connectionString: string }> {
  await place.sql(`create database ${name}`)
  return { connectionString: place.server.url.replace(/postgres$/, name) }
}

test('a server without prepared transactions is refused, and the message mends it', async () => {
  await using bare = await Place.make({ maxPreparedTransactions: 0 })
  const refusal = bare.start({ durability: 'weak' })
  await expect(refusal).rejects.toThrow(ResourceUnfitError)
  await expect(refusal).rejects.toThrow('max_prepared_transactions is 0')
  await expect(refusal).rejects.toThrow('ALTER SYSTEM SET max_prepared_transactions = 200')
})

test('a server that loses votes in a power cut is refused, unless that is allowed by name', async () => {
  await using careless = await Place.make({ settings: { fsync: 'off' } })
  await expect(careless.start()).rejects.toThrow('fsync is off, expected on')
  const { facts } = await careless.startWithFacts({ durability: 'weak' })
  expect(facts.durability).toBe('weak')
})

test('votes are full on a server that keeps them, also where weak ones are allowed', async () => {
  const { facts } = await place.startWithFacts({ durability: 'weak' })
  expect(facts).toEqual({ durability: 'full', capacity: 30 })
  expect((await place.startWithFacts({ capacity: 5 })).facts.capacity).toBe(5)
  await expect(place.start({ capacity: 60 })).rejects.toThrow('max_prepared_transactions = 80')
})

test('without a free slot PREPARE is refused, and trying again may help', async () => {
  const resource = await place.start()
  for (let n = 1; n <= 40; n += 1)
    await place.sql(`begin; create table filler${n} (); prepare transaction 'filler${n}'`)
  const branch = await place.debited(resource, 'a1')
  expect(await branch.prepare(makeNote())).toMatchObject({
    kind: 'refused',
    reason: { code: 'overloaded', retryable: true, message: expect.stringContaining('prepared transactions') },
  })
  for (let n = 1; n <= 40; n += 1) await place.sql(`rollback prepared 'filler${n}'`)
})

test('a role that may make nothing is told what an administrator has to run, and then works', async () => {
  await place.sql('create role clerk login; create role auditor login; grant select, update on account to clerk')
  const asClerk = { connectionString: place.server.url.replace('postgres@', 'clerk@') }
  const asAuditor = { connectionString: place.server.url.replace('postgres@', 'auditor@') }
  await place.sql('drop schema if exists verdict cascade')
  await expect(place.start(asClerk)).rejects.toThrow('CREATE SCHEMA verdict AUTHORIZATION clerk')
  await place.sql('create schema verdict authorization clerk')
  const resource = await place.start(asClerk)
  const note = await place.prepared(resource, 'a1')
  await expect(place.start(asAuditor)).rejects.toThrow(ResourceUnfitError)
  await place.sql('grant usage on schema verdict to auditor; grant select on verdict.version to auditor')
  await expect(place.start(asAuditor)).rejects.toThrow('prepared by the role clerk')
  expect(await resource.finish(note, 'committed')).toBe('done')
  await expect(place.start(asAuditor)).rejects.toThrow('GRANT SELECT, INSERT, DELETE ON verdict.branch TO auditor')
  await place.sql('grant select, insert, delete on verdict.branch to auditor')
  await expect(place.start(asAuditor)).rejects.toThrow('GRANT SELECT, INSERT, UPDATE ON verdict.floor TO auditor')
  await place.sql('grant select, insert, update on verdict.floor to auditor')
  await place.start(asAuditor)
})

test('many instances may start at once on an empty database', async () => {
  const empty = await emptyDatabase('crowded')
  await Promise.all(Array.from({ length: 8 }, () => place.start(empty)))
  expect(await place.sql('select version from verdict.version', empty.connectionString)).toEqual([{ version: 3 }])
})

test('tables of a later release are left alone', async () => {
  const empty = await emptyDatabase('later')
  await place.start(empty)
  await place.sql('update verdict.version set version = 4', empty.connectionString)
  await expect(place.start(empty)).rejects.toThrow('version 4, this release knows versions up to 3')
  expect(await place.sql('select version from verdict.version', empty.connectionString)).toEqual([{ version: 4 }])
})

test('a server that is not there is refused', async () => {
  await expect(place.start({ connectionString: 'postgres://postgres@127.0.0.1:1/x' })).rejects.toThrow('not be reached')
})

test('a standby is refused; after its promotion the history of what was prepared before has changed', async () => {
  await using failing = await Place.make()
  const resource = await failing.start()
  const [first, second] = [await failing.prepared(resource, 'a1'), await failing.prepared(resource, 'a2')]
  const [folder] = await failing.sql<{ data: string }>("select current_setting('data_directory') as data")
  await failing.sql(`copy (select) to '${folder?.data}/standby.signal'`)
  const restarted = failing.server.restart() // resolves once it is no standby any more
  await expect.poll(() => failing.start().catch(String), { timeout: 10_000 }).toContain('standby')
  await expect(resource.open({ lockTimeoutMs: 100 })).rejects.toMatchObject({ code: 'resource-refused' })
  await failing.sql('select pg_promote()')
  await restarted
  expect(await resource.look(first.id)).toMatchObject({ state: 'prepared', history: 'changed' })
  expect(await resource.finish(first, 'discarded')).toBe('busy')
  expect(await resource.finish(first, 'committed')).toBe('done')
  expect(await resource.finish(second, 'aborted')).toBe('done')
  const after = await failing.prepared(resource, 'a3')
  expect(await resource.look(after.id)).toMatchObject({ state: 'prepared', history: 'same' })
})
