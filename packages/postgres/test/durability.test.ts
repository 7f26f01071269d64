import { expect, test } from 'vitest'
import { capacityOf } from '../src/capacity.ts'
import { durabilityOf, type ServerSettings } from '../src/durability.ts'

const sound: ServerSettings = {
  version: 180_004,
  fsync: 'on',
  fullPageWrites: 'on',
  synchronousCommit: 'on',
  synchronousStandbyNames: '',
  maxPreparedTransactions: 200,
  maxConnections: 300,
  role: 'shop',
  foreignOwner: null,
  mayWrite: true,
}

test.each<[Partial<ServerSettings>, string]>([
  [{ fsync: 'off' }, 'fsync is off, expected on'],
  [{ fullPageWrites: 'off' }, 'full_page_writes is off, expected on'],
  [{ synchronousCommit: 'off' }, 'ALTER ROLE shop SET synchronous_commit = on'],
  [{ synchronousStandbyNames: 'one', synchronousCommit: 'local' }, 'a failover loses'],
  [{ synchronousStandbyNames: 'one', synchronousCommit: 'remote_write' }, 'expected on or remote_apply'],
])('%j makes votes weak', (change, message) => {
  const settings = { ...sound, ...change }
  expect(() => durabilityOf(settings, 'full')).toThrow(message)
  expect(() => durabilityOf(settings, 'full')).toThrow("durability: 'weak'")
  expect(durabilityOf(settings, 'weak')).toBe('weak')
})

test.each<Partial<ServerSettings>>([
  {},
  { synchronousCommit: 'local' },
  { synchronousStandbyNames: 'one', synchronousCommit: 'remote_apply' },
])('with %j votes are full', (change) => {
  expect(durabilityOf({ ...sound, ...change }, 'full')).toBe('full')
})

test.each<[Partial<ServerSettings>, string]>([
  [{ maxPreparedTransactions: 0 }, 'ALTER SYSTEM SET max_prepared_transactions'],
  [{ version: 130_011 }, 'expected 14 or later'],
  [{ foreignOwner: 'old' }, 'Connect as old'],
  [{ mayWrite: false }, 'GRANT SELECT, INSERT, DELETE ON verdict.branch TO shop'],
])('%j cannot be allowed', (change, message) => {
  expect(() => durabilityOf({ ...sound, ...change }, 'weak')).toThrow(message)
})

test.each<[Partial<ServerSettings>, number | undefined, number]>([
  [{}, undefined, 64],
  [{}, 100, 100],
  [{ maxPreparedTransactions: 10 }, undefined, 7],
  [{ maxConnections: 40 }, undefined, 20],
])('with %j a configured capacity of %j is %j', (change, configured, expected) => {
  expect(capacityOf({ ...sound, ...change }, configured)).toBe(expected)
})

test.each<[Partial<ServerSettings>, number | undefined, string]>([
  [{}, 160, 'ALTER SYSTEM SET max_prepared_transactions = 214'],
  [{ maxConnections: 50 }, 31, 'ALTER SYSTEM SET max_connections = 51'],
  [{ maxConnections: 20 }, undefined, 'max_connections'],
  [{}, 0, 'a number from 1'],
])('with %j a configured capacity of %j does not fit', (change, configured, message) => {
  expect(() => capacityOf({ ...sound, ...change }, configured)).toThrow(message)
})
