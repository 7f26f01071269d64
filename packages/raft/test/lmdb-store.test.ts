import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { open } from 'lmdb'
import { describe, expect, test } from 'vitest'
import { initLmdbStore, openLmdbStore } from '../src/lmdb-store.ts'
import type { LogIndex } from '../src/message.ts'
import { batchOf, describeStore, entryAt, identity } from './store-contract.ts'

/** Gives a test a folder of its own whose name has a dot and a space, as a person's may. */
async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'verdict raft.'))
  try {
    await body(join(folder, 'n1.store'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

describe('in LMDB', () => {
  describeStore((body) =>
    inFolder((path) =>
      body({
        init: (identity) => initLmdbStore({ ...identity, path }),
        open: (identity) => openLmdbStore({ ...identity, path }),
      }),
    ),
  )
})

/** Changes one byte of the record under a key, as a failing disk may. */
async function damage(path: string, key: Buffer): Promise<void> {
  const database = open<Buffer, Buffer>({ path, noSubdir: false, encoding: 'binary', keyEncoding: 'binary' })
  const record = Buffer.from(database.get(key) as Buffer)
  record[record.length - 1] = (record.at(-1) as number) ^ 1
  await database.put(key, record)
  await database.close()
}

test('an entry that is not what was written is noticed, and the error says what to do', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    const store = await openLmdbStore({ ...identity, path })
    await store.write(batchOf({ entries: [entryAt(1, 1), entryAt(2, 1)] }))
    await store.close()
    await damage(path, Buffer.from([0x4c, 0, 0, 0, 0, 0, 0, 0, 2]))
    const again = await openLmdbStore({ ...identity, path })
    expect(again.read(1 as LogIndex, 1, 1000)).toHaveLength(1)
    expect(() => again.read(1 as LogIndex, 2, 1000)).toThrow(/entry 2 .* leave this replica out/)
    await again.close()
  }))

test('a damaged term or vote keeps the store shut', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    await damage(path, Buffer.from('H'))
    await expect(openLmdbStore({ ...identity, path })).rejects.toMatchObject({ code: 'damaged' })
  }))

test('a large entry and many small ones share one batch', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    const store = await openLmdbStore({ ...identity, path })
    const large = { ...entryAt(1, 1), command: Buffer.alloc(200_000, 7) }
    const entries = [large, ...Array.from({ length: 5000 }, (_, place) => entryAt(place + 2, 1))]
    await store.write(batchOf({ entries }))
    expect(store.read(1 as LogIndex, 10_000, Number.POSITIVE_INFINITY)).toEqual(entries)
    await store.close()
  }))

test('a folder without a store is refused and left as it is', () =>
  inFolder(async (path) => {
    const refused = { code: 'uninitialised', message: expect.stringContaining(`${path} holds no store`) }
    await expect(openLmdbStore({ ...identity, path })).rejects.toMatchObject(refused)
    expect(await readdir(dirname(path))).toEqual([])
    await mkdir(path)
    await expect(openLmdbStore({ ...identity, path })).rejects.toMatchObject(refused)
    expect(await readdir(path)).toEqual([])
    await writeFile(join(path, 'note'), 'mine')
    await expect(openLmdbStore({ ...identity, path })).rejects.toMatchObject(refused)
    expect(await readdir(path)).toEqual(['note'])
  }))

test('a store that is open is refused in the same process, by whatever path, until it is closed', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    await symlink(path, `${path}.link`)
    const store = await openLmdbStore({ ...identity, path })
    for (const other of [path, `${path}.link`]) {
      await expect(openLmdbStore({ ...identity, path: other })).rejects.toMatchObject({ code: 'in-use' })
      await expect(initLmdbStore({ ...identity, path: other })).rejects.toMatchObject({ code: 'in-use' })
    }
    await store.write(batchOf({ entries: [entryAt(1, 1)] }))
    await store.close()
    const again = await openLmdbStore({ ...identity, path })
    expect(again.lastIndex).toBe(1)
    await again.close()
  }))

test('a refused open gives the store back', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    await expect(initLmdbStore({ ...identity, path })).rejects.toMatchObject({ code: 'initialised' })
    await expect(openLmdbStore({ ...identity, group: 'other', path })).rejects.toMatchObject({ code: 'foreign' })
    await (await openLmdbStore({ ...identity, path })).close()
    expect((await readdir(path)).toSorted()).toEqual(['data.mdb', 'lock.mdb', 'owner'])
  }))

function startWriter(path: string): ChildProcessByStdio<null, Readable, null> {
  const program = fileURLToPath(new URL('lmdb-writer.ts', import.meta.url))
  return spawn(process.execPath, ['--conditions=@verdict/source', program, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

test('a second process is refused while the first lives, and may come in when that one was killed', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    const writer = startWriter(path)
    const exit = once(writer, 'exit')
    await once(writer.stdout, 'data')
    writer.stdout.resume()
    const refused = {
      code: 'in-use',
      message: expect.stringMatching(new RegExp(`in use by process ${writer.pid} on .*stop that process first`)),
    }
    await expect(openLmdbStore({ ...identity, path })).rejects.toMatchObject(refused)
    writer.kill('SIGKILL')
    await exit
    const store = await openLmdbStore({ ...identity, path })
    expect(store.lastIndex).toBeGreaterThan(0)
    await store.close()
  }))

/** Lets the writer write until it has said `lines` lines, kills it with SIGKILL, and returns the last line. */
async function writeAndKill(path: string, lines: number): Promise<string> {
  const writer = startWriter(path)
  const exit = once(writer, 'exit')
  let last = ''
  let count = 0
  for await (const line of createInterface({ input: writer.stdout })) {
    last = line
    if (++count === lines) writer.kill('SIGKILL')
  }
  const [, signal] = (await exit) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  return last
}

test('what was told written survives kill -9 in the middle of writing, whole and in order', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    for (const lines of [1, 7, 40, 113]) {
      const [toldTerm, toldIndex] = (await writeAndKill(path, lines)).split(' ').map(Number)
      const store = await openLmdbStore({ ...identity, path })
      const { hardState, appliedIndex } = store.state
      // The write after the last that was told may have landed too.
      expect([toldTerm, (toldTerm as number) + 1]).toContain(hardState.term)
      if (hardState.term === toldTerm) expect(store.lastIndex).toBe(toldIndex)
      const entries = store.read(1 as LogIndex, store.lastIndex, Number.POSITIVE_INFINITY)
      expect(entries.map(({ index }) => index)).toEqual(entries.map((_, place) => place + 1))
      expect(entries.at(-1)?.term).toBe(hardState.term)
      expect(entries.filter(({ term }) => term === hardState.term)[0]?.index).toBe(appliedIndex + 1)
      expect(Buffer.from(store.get('last') ?? '').toString()).toBe(`${hardState.term}`)
      await store.close()
    }
  }))
