import { postgres } from '@verdict/postgres'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../infra/postgres.ts'
import { readGid } from '../../packages/postgres/src/gid.ts'
import { type RecordedRows, Recording } from './recording.ts'
import { noteOf, payments } from './samples.ts'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

/** A database of its own, with recorded tables in it. */
async function restored(recording: Recording): Promise<string> {
  const name = `at_${recording.version.replaceAll(/[^a-z0-9]/g, '_')}`
  await run(server.url, `create database ${name}`)
  const url = server.url.replace(/postgres$/, name)
  await run(url, 'create table account (id integer primary key, cents integer)')
  await run(url, recording.readText('journal.sql'))
  return url
}

async function run(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

const isEnded = ({ state }: { readonly state: string }): boolean => state !== 'prepared'

describe.each(Recording.all().filter((each) => each.has('journal.sql')))('a journal of $version', (recording) => {
  const { rows, gids } = recording.readJson<RecordedRows>('journal.json')

  test('is brought up to date, has its rows, and is written on', async () => {
    const resource = postgres({ connectionString: await restored(recording) })
    await resource.start({ participant: payments })
    for (const [number, row] of Object.entries(rows).filter(([, each]) => isEnded(each))) {
      expect(await resource.look(noteOf(Number(number), payments).id)).toMatchObject(row)
    }
    const write = async (number: number) => {
      const branch = await resource.open({ lockTimeoutMs: 1_000 })
      await branch.session.sql.query('insert into account values ($1, 1)', [number])
      return branch
    }
    expect(await (await write(1)).prepare(noteOf(1, payments))).toEqual({ kind: 'exists' })
    const [logged, lone] = [noteOf(101, payments), noteOf(102, payments)]
    expect(await (await write(101)).prepare(logged)).toEqual({ kind: 'prepared' })
    expect(await resource.finish(logged, 'committed')).toBe('done')
    expect(await (await write(102)).commit({ ...lone, rowAlways: true })).toEqual({ kind: 'committed' })
    expect(await resource.look(logged.id)).toMatchObject({ state: 'committed', mode: 'logged' })
    expect(await resource.look(lone.id)).toMatchObject({ state: 'committed', mode: 'lone' })
    await resource.stop()
  })

  test('named what it prepared so that it is found', () => {
    const { id, digest, token } = noteOf(5, payments)
    expect(gids.map((gid) => readGid(gid, payments))).toMatchObject(gids.map(() => ({ id, digest, token })))
  })
})
