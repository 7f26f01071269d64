import { randomBytes } from 'node:crypto'
import type { BranchNote, OpenBranch, Resource } from '@verdict/participant'
import {
  type Epoch,
  type GroupId,
  groupId,
  groupName,
  makeId,
  makeIncarnation,
  ownerName,
  participantName,
} from '@verdict/protocol'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PostgresSession } from '../src/resource.ts'
import { debit, makeNote, opened, Place, payments, until } from './place.ts'

type Postgres = Resource<PostgresSession>

let place: Place
let resource: Postgres

beforeAll(async () => {
  place = await Place.make()
  resource = await place.start()
})
afterAll(() => place[Symbol.asyncDispose]())

/** A group of a test's own, with notes of its transactions. */
function freshGroup(): { readonly group: GroupId; readonly note: (epoch: number) => BranchNote } {
  const [name, incarnation] = [groupName('main'), makeIncarnation(randomBytes(8))]
  const parts = { group: name, incarnation, owner: ownerName('checkout'), mark: 'once' } as const
  return {
    group: groupId(name, incarnation),
    note: (epoch) => makeNote({ id: makeId({ ...parts, epoch: epoch as Epoch }, randomBytes(12)) }),
  }
}

/** Commits a branch, raises the floor above it, and deletes its row: what a group does that has forgotten it. */
async function forgotten(on: Postgres, group: GroupId, note: BranchNote): Promise<void> {
  expect(await on.finish(note, 'committed')).toBe('done')
  await forget(on, group, note)
}

async function forget(on: Postgres, group: GroupId, { id }: BranchNote): Promise<void> {
  expect(await on.raiseFloor(group, 5 as Epoch)).toBe('raised')
  expect((await on.collect(group, 10)).logged.map((row) => row.id)).toEqual([id])
  await on.forget([id])
}

const isolations = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const

/** A branch that read first, and so has its snapshot, and then took a cent from an account. */
async function withSnapshot(on: Postgres, isolation: string, account: string): Promise<OpenBranch<PostgresSession>> {
  const branch = await opened(on)
  await branch.session.sql.query(`set transaction isolation level ${isolation}`)
  await branch.session.sql.query('select 1')
  await debit(branch, account)
  return branch
}

describe.each(isolations)('a %s branch whose snapshot is older than the floor', (isolation) => {
  test('does not happen again, when the row of its first copy was deleted after that snapshot', async () => {
    const { group, note } = freshGroup()
    const first = await place.prepared(resource, 'a1', note(5))
    const copy = await withSnapshot(resource, isolation, 'a2')
    await forgotten(resource, group, first)
    const before = await place.cents('a2')
    expect(await copy.prepare({ ...makeNote(), id: first.id })).toEqual({ kind: 'expired' })
    expect(await place.gids()).toEqual([])
    expect(await place.cents('a2')).toBe(before)
    await (await place.debited(resource, 'a2')).rollback() // its lock is gone
  })

  test('does not commit again, when its lone row was deleted after that snapshot', async () => {
    const { group, note } = freshGroup()
    const first = await place.debited(resource, 'a8')
    const lone = { ...note(5), rowAlways: false }
    expect(await first.commit(lone)).toEqual({ kind: 'committed' })
    const copy = await withSnapshot(resource, isolation, 'a8')
    expect(await resource.raiseFloor(group, 5 as Epoch)).toBe('raised')
    expect(await resource.collect(group, 10)).toMatchObject({ deleted: 1, logged: [] })
    const before = await place.cents('a8')
    expect(await copy.commit({ ...makeNote(), id: lone.id, rowAlways: false })).toEqual({ kind: 'expired' })
    expect(await place.cents('a8')).toBe(before)
  })

  test('is prepared when its id is above the floor, and when its group has none', async () => {
    const { group, note } = freshGroup()
    const [above, other] = [
      await withSnapshot(resource, isolation, 'a3'),
      await withSnapshot(resource, isolation, 'a4'),
    ]
    await resource.raiseFloor(group, 5 as Epoch)
    expect(await above.prepare(note(6))).toEqual({ kind: 'prepared' })
    expect(await other.prepare(makeNote({ id: freshGroup().note(1).id }))).toEqual({ kind: 'prepared' })
    await place
      .sql(`${(await place.gids()).map((gid) => `rollback prepared '${gid}'`).join(';')}`)
      .catch(() => undefined)
    for (const gid of await place.gids()) await place.sql(`rollback prepared '${gid}'`)
  })

  test('finds the floor that is raised while its row waits for the one that is deleted', async () => {
    const { group, note } = freshGroup()
    const first = await place.prepared(resource, 'a5', note(5))
    expect(await resource.finish(first, 'committed')).toBe('done')
    const copy = await withSnapshot(resource, isolation, 'a6')
    // Floor and deletion in one transaction, as the contract allows, which commits only once the copy's row waits.
    const deleter = new pg.Client({ connectionString: place.server.url })
    await deleter.connect()
    try {
      await deleter.query(`begin; insert into verdict.floor values ('payments', '${group}', '0000005');
        delete from verdict.branch where id = '${first.id}'`)
      // The server itself looks for that: a row waits for a tenth of a second only.
      const committing = deleter.query(`do $$ begin
          for n in 1..10000 loop
            exit when exists (select from pg_stat_activity where wait_event_type = 'Lock');
            perform pg_sleep(0.001), pg_stat_clear_snapshot();
          end loop;
        end $$; commit`)
      const [prepared] = await Promise.all([copy.prepare({ ...makeNote(), id: first.id }), committing])
      expect(prepared).toEqual({ kind: 'expired' })
    } finally {
      await deleter.end()
    }
    expect(await place.gids()).toEqual([])
  })
})

test.each([
  ['by the default of its database', "alter database postgres set default_transaction_isolation = 'serializable'"],
  ['by its role', "alter role postgres set default_transaction_isolation = 'repeatable read'"],
])('a branch that keeps its snapshot %s finds the floor too', async (_, setting) => {
  await using own = await Place.make()
  await own.sql(setting)
  const on = await own.start()
  const { group, note } = freshGroup()
  const first = await own.prepared(on, 'a1', note(5))
  const copy = await own.debited(on, 'a2')
  await forgotten(on, group, first)
  expect(await copy.prepare({ ...makeNote(), id: first.id })).toEqual({ kind: 'expired' })
  await own.prepared(on, 'a3', note(6))
})

test('an isolation that was changed unseen refuses the branch; the next one is fine', async () => {
  await place.sql(`create function serialise() returns void language plpgsql as
    $$ begin perform set_config('default_transaction_isolation', 'serializable', false); end $$`)
  const on = await place.start({ capacity: 1 })
  const sly = await place.debited(on, 'a7')
  await sly.session.sql.query('select serialise()')
  const first = makeNote()
  expect(await sly.prepare(first)).toEqual({ kind: 'prepared' })
  expect(await on.finish(first, 'aborted')).toBe('done')
  const next = await place.debited(on, 'a7')
  expect(await next.prepare(makeNote())).toMatchObject({ kind: 'refused', reason: { retryable: true } })
  const note = await place.prepared(on, 'a7')
  expect(await on.finish(note, 'aborted')).toBe('done')
})

test('the floor of a branch that keeps its snapshot cannot be read: it is refused, and gone', async () => {
  await using own = await Place.make()
  const on = await own.start()
  const branch = await withSnapshot(on, 'SERIALIZABLE', 'a1')
  await debit(branch, 'a1')
  await own.sql('alter table verdict.floor rename to mislaid')
  expect(await branch.prepare(makeNote())).toMatchObject({ kind: 'refused' })
  expect(await own.gids()).toEqual([])
  await own.sql('alter table verdict.mislaid rename to floor')
})

test('a release that knows no floors cannot write a row below one', async () => {
  const { group, note } = freshGroup()
  await resource.raiseFloor(group, 5 as Epoch)
  const insert = (of: BranchNote): string =>
    `insert into verdict.branch (id, participant, state, xid, digest) values
      ('${of.id}', 'payments', 'aborted', pg_current_xact_id(), '${of.digest}')`
  await expect(place.sql(insert(note(5)))).rejects.toMatchObject({ code: 'VF001' })
  await expect(place.sql(`set session_replication_role = replica; ${insert(note(5))}`)).rejects.toMatchObject({
    code: 'VF001',
  })
  await expect(place.sql(`begin isolation level repeatable read; ${insert(note(5))}; commit`)).rejects.toMatchObject({
    code: 'VF002',
  })
  await place.sql(insert(note(6)))
})

test("another participant's floor and rows in the same database are its own", async () => {
  const [orders] = [participantName('orders')]
  const other = await place.start({}, orders)
  const { group, note } = freshGroup()
  const [mine, theirs] = [note(1), note(1)]
  for (const [on, one] of [
    [resource, mine],
    [other, theirs],
  ] as const) {
    expect(await on.tombstone(one.id, one.digest)).toBe('done')
  }
  await resource.raiseFloor(group, 5 as Epoch)
  expect(await resource.collect(group, 10)).toEqual({ deleted: 1, logged: [], last: undefined })
  expect(await other.look(theirs.id)).toEqual({ state: 'aborted' })
  expect(await other.floors()).toEqual(new Map())
  expect(await other.tombstone(note(2).id, mine.digest)).toBe('done')
  expect([...(await resource.floors())]).toContainEqual([group, 5])
  expect(payments).not.toBe(orders)
})

test('rows below the floor are found by the index of the key, and their space can be used again', async () => {
  await using own = await Place.make()
  const on = await own.start()
  const { group, note } = freshGroup()
  const prefix = note(1).id.split('_').slice(0, 2).join('_')
  await own.sql(`insert into verdict.branch (id, participant, state, xid, digest)
    select '${prefix}_aaaaaa' || chr(97 + n / 2000) || '_checkout_o' || lpad(n::text, 20, '0'), 'payments', 'aborted',
      pg_current_xact_id(), repeat('a', 26) from generate_series(0, 19999) n`)
  await own.sql('vacuum analyze verdict.branch')
  await own.sql('select pg_stat_reset()') // making the table has gone through the whole of it
  await on.raiseFloor(group, 4 as Epoch)
  let deleted = 0
  for (let last: BranchNote['id'] | undefined, first = true; first || last !== undefined; first = false) {
    const step = await on.collect(group, 256, last)
    deleted += step.deleted
    last = step.last
  }
  expect(deleted).toBe(10_000) // epochs 0 to 4
  const scans = async (): Promise<{ index: number; whole: number } | undefined> =>
    (
      await own.sql<{ index: number; whole: number }>(
        `select idx_scan::int as index, seq_scan::int as whole from pg_stat_user_tables where relname = 'branch'`,
      )
    )[0]
  await until(async () => ((await scans())?.index ?? 0) > 30, 'the server counts the scans')
  expect((await scans())?.whole).toBe(0)
  const pages = async (): Promise<number> =>
    (await own.sql<{ pages: number }>(`select pg_relation_size('verdict.branch')::int / 8192 as pages`))[0]?.pages ?? 0
  const before = await pages()
  await own.sql('vacuum verdict.branch')
  await own.sql(`insert into verdict.branch (id, participant, state, xid, digest)
    select '${prefix}_aaaaaaz_checkout_o' || lpad(n::text, 20, '0'), 'payments', 'aborted',
      pg_current_xact_id(), repeat('a', 26) from generate_series(0, 9999) n`)
  expect(await pages()).toBe(before)
})
