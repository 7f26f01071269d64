import type { Epoch } from '@verdict/protocol'
import { groupOf } from '@verdict/protocol'
import { expect, test } from 'vitest'
import { makeGid } from '../src/gid.ts'
import { historyMark } from '../src/history.ts'
import { makeNote, Place, payments } from './place.ts'

/** The tables as the first release made them, with a committed row, a tombstone, and a branch that is prepared. */
async function firstRelease(
  place: Place,
): Promise<Record<'committed' | 'buried' | 'prepared', ReturnType<typeof makeNote>>> {
  const notes = { committed: makeNote(), buried: makeNote(), prepared: makeNote() }
  await place.sql(`create schema verdict;
    create table verdict.version (version integer not null);
    insert into verdict.version values (1);
    create table verdict.branch (
      id text collate "C" not null,
      participant text collate "C" not null,
      state text collate "C" not null check (state in ('committed', 'aborted')),
      xid xid8 not null,
      digest text collate "C" not null,
      token text collate "C" check (token is not null or state = 'aborted'),
      results bytea[],
      trace jsonb,
      written_at timestamptz not null default now(),
      primary key (id, participant)
    )`)
  const insert = ({ id, digest, token }: ReturnType<typeof makeNote>, state: string): string =>
    `insert into verdict.branch (id, participant, state, xid, digest, token)
      values ('${id}', 'payments', '${state}', pg_current_xact_id(), '${digest}', '${token}')`
  await place.sql(insert(notes.committed, 'committed'))
  await place.sql(insert(notes.buried, 'aborted'))
  const [server] = await place.sql<{ system: string; timeline: string }>(
    `select system_identifier::text as system, left(pg_walfile_name(pg_current_wal_lsn()), 8) as timeline from pg_control_system()`,
  )
  const history = historyMark(server?.system ?? '', server?.timeline ?? '')
  await place.sql(`begin; update account set cents = cents - 1 where id = 'a1'; ${insert(notes.prepared, 'committed')};
    prepare transaction '${makeGid(payments, { ...notes.prepared, history })}'`)
  return notes
}

test('tables of the first release are brought up to date, once no branch in doubt holds them', async () => {
  await using place = await Place.make()
  const { committed, buried, prepared } = await firstRelease(place)
  await expect(place.start()).rejects.toThrow('in doubt')
  const [gid] = await place.gids()
  await place.sql(`commit prepared '${gid}'`) // as the first release does once it knows the outcome
  const resource = await place.start()
  for (const { id, digest, token } of [committed, prepared]) {
    expect(await resource.look(id)).toMatchObject({ state: 'committed', mode: 'logged', digest, token })
  }
  const group = groupOf(committed.id)
  await resource.raiseFloor(group, 7 as Epoch)
  const { deleted, logged } = await resource.collect(group, 10)
  expect(deleted).toBe(1)
  expect(logged.map(({ id }) => id).toSorted()).toEqual([committed.id, prepared.id].toSorted())
  expect(await resource.look(buried.id)).toEqual({ state: 'nothing' })
  await resource.forget([committed.id])
  const copy = await place.debited(resource, 'a2')
  expect(await copy.prepare(committed)).toEqual({ kind: 'expired' })
})
