import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { open } from 'lmdb'
import { describe, expect, test } from 'vitest'
import { initLmdbStore, openLmdbStore } from '../src/lmdb-store.ts'
import type { LogIndex } from '../src/message.ts'
import { seal } from '../src/seal.ts'
import type { LogStore, StoreBatch } from '../src/store.ts'
import { chunkAt, describeSnapshots, headerAt, spaceOf } from './snapshot-contract.ts'
import { batchOf, describeStore, entryAt, identity, type StorePlace } from './store-contract.ts'

/** Gives a test a folder of its own whose name has a dot and a space, as a person's may. */
async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'verdict raft.'))
  try {
    await body(join(folder, 'n1.store'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

describe.each([
  ['in LMDB', false],
  ['in LMDB, in place', true],
])('%s', (_, inPlace) => {
  const run = (body: (place: StorePlace) => Promise<void>): Promise<void> =>
    inFolder((path) =>
      body({
        init: (identity) => initLmdbStore({ ...identity, path }),
        open: async (identity) => {
          const store = await openLmdbStore({ ...identity, path })
          const write = store.write.bind(store)
          return Object.assign(store, { write: (batch: StoreBatch) => write(batch, inPlace) })
        },
      }),
    )
  describeStore(run)
  describeSnapshots(run)
})

/** Writes until a write is over when the call returns, as only one in place is; false when none of many is. */
async function isOverAtOnce(store: LogStore, inPlace: boolean): Promise<boolean> {
  for (let attempt = 1; attempt <= 100; attempt++) {
    const writing = store.write(batchOf({ changes: new Map([['attempt', Buffer.from([attempt])]]) }), inPlace)
    const isOver = store.get('attempt')?.[0] === attempt
    await writing
    if (isOver) return true
  }
  return false
}

test('a write is made in place where that is permitted and the disk is quick, and nowhere else', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    const store = await openLmdbStore({ ...identity, path })
    expect(await isOverAtOnce(store, true)).toBe(true)
    expect(await isOverAtOnce(store, false)).toBe(false)
    await store.close()
  }))

test.each([false, true])(
  'damage that a write meets is told as such, and nothing of the write is on disk; in place: %j',
  (inPlace) =>
    inFolder(async (path) => {
      await initLmdbStore({ ...identity, path })
      const store = await openLmdbStore({ ...identity, path })
      await store.write(batchOf({ entries: [1, 2, 3, 4].map((index) => entryAt(index, 1)) }))
      await damage(path, Buffer.from([0x4c, 0, 0, 0, 0, 0, 0, 0, 4]))
      if (inPlace) expect(await isOverAtOnce(store, true)).toBe(true)
      const changes = new Map([['k', Buffer.from('v')]])
      const cutting = batchOf({ entries: [entryAt(3, 2)], changes, appliedIndex: 2 as LogIndex })
      await expect(store.write(cutting, inPlace)).rejects.toMatchObject({ code: 'damaged' })
      await store.close()
      const database = open<Buffer, Buffer>({ path, noSubdir: false, encoding: 'binary', keyEncoding: 'binary' })
      const values = [...database.getRange({})].map(({ value }) => value.toString('latin1'))
      expect(values.filter((value) => value.includes('"appliedIndex":2') || value === 'v')).toEqual([])
      await database.close()
    }),
)

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
    await expect(openLmdbStore({ ...identity, path })).rejects.toThrow(
      /entries up to 2 .* leave this replica out.* under a new id/,
    )
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

function startWriter(path: string, name = 'lmdb-writer.ts'): ChildProcessByStdio<null, Readable, null> {
  const program = fileURLToPath(new URL(name, import.meta.url))
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
async function writeAndKill(path: string, lines: number, name?: string): Promise<string> {
  const writer = startWriter(path, name)
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

test('kill -9 in the middle of an installation leaves the state before it or after it, and never a mixture', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    for (const lines of [1, 3, 8, 15]) {
      const told = Number(await writeAndKill(path, lines, 'lmdb-installer.ts'))
      const store = await openLmdbStore({ ...identity, path })
      const { appliedIndex } = store.state
      // The installation after the last that was told may have landed too.
      expect([told, told + 10]).toContain(appliedIndex)
      expect(store.base).toMatchObject({ index: appliedIndex, term: 3 })
      expect([appliedIndex, appliedIndex + 2]).toContain(store.lastIndex)
      expect(spaceOf(store)).toEqual(
        Array.from({ length: 300 }, (_, at) => `${1000 + at}=${appliedIndex} ${1000 + at}`),
      )
      await store.close()
    }
  }))

/** How many keys a store has on disk, whatever they are for. */
async function countKeys(path: string): Promise<number> {
  const database = open<Buffer, Buffer>({ path, noSubdir: false, encoding: 'binary', keyEncoding: 'binary' })
  const count = database.getKeysCount()
  await database.close()
  return count
}

test('what a snapshot took the place of goes bit by bit with later writes, also after a restart', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    let store = await openLmdbStore({ ...identity, path })
    const changes = new Map(Array.from({ length: 600 }, (_, at) => [`old/${at}`, Buffer.from('old')]))
    const entries = Array.from({ length: 600 }, (_, at) => entryAt(at + 1, 1))
    await store.write(batchOf({ entries, changes, appliedIndex: 600 as LogIndex }))
    const header = headerAt(700)
    await store.write(batchOf({ appliedIndex: 600 as LogIndex, chunk: chunkAt(header, '', ['a']) }))
    await store.install(store.state.hardState, header)
    await store.write(batchOf({ ...store.state }))
    await store.close()
    const before = await countKeys(path)
    expect(before).toBeGreaterThan(300)
    store = await openLmdbStore({ ...identity, path })
    for (let write = 0; write < 5; write++) await store.write(batchOf({ ...store.state }))
    expect(spaceOf(store)).toEqual(['a=700 a'])
    await store.close()
    expect(await countKeys(path)).toBe(5) // identity, state, base, runs and one value
  }))

test('a reader shows one state of the space through many turns of the event loop, while others are written', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    const store = await openLmdbStore({ ...identity, path })
    const keys = Array.from({ length: 50 }, (_, at) => `${100 + at}`)
    const all = (text: string) => new Map(keys.map((key) => [key, Buffer.from(text)]))
    await store.write(batchOf({ entries: [entryAt(1, 1)], appliedIndex: 1 as LogIndex, changes: all('one') }))
    const reader = store.openSnapshot()
    const read: string[] = []
    for (let after = '', at = 2; ; at++) {
      await store.write(batchOf({ entries: [entryAt(at, 1)], appliedIndex: at as LogIndex, changes: all(`${at}`) }))
      await setTimeout(1)
      const { values, done } = reader.read(after, 100)
      read.push(...values.map(([key, value]) => `${key}=${Buffer.from(value).toString()}`))
      after = values.at(-1)?.[0] ?? ''
      if (done) break
    }
    expect(read).toEqual(keys.map((key) => `${key}=one`))
    reader.release()
    const unreleased = store.openSnapshot()
    await store.close()
    expect(() => unreleased.read('', 100)).toThrow()
  }))

test('a store that has grown beyond its limit takes no more writes, and says so', () =>
  inFolder(async (path) => {
    await initLmdbStore({ ...identity, path })
    const store = await openLmdbStore({ ...identity, path, maxMapBytes: 8 * 1024 * 1024 })
    const command = Buffer.alloc(512 * 1024, 7)
    const fill = async (): Promise<void> => {
      for (let at = 1; at < 100; at++) await store.write(batchOf({ entries: [{ ...entryAt(at, 1), command }] }))
    }
    await expect(fill()).rejects.toMatchObject({ code: 'full', message: expect.stringContaining('Raise maxMapBytes') })
    const { lastIndex } = store
    await expect(store.write(batchOf({}))).rejects.toMatchObject({ code: 'full' })
    await store.close()
    const again = await openLmdbStore({ ...identity, path })
    expect(again.lastIndex).toBe(lastIndex)
    await again.write(batchOf({ entries: [entryAt(lastIndex + 1, 1)] }))
    await again.close()
  }))

/** Writes raw records, as another version of the program would have. */
async function putRaw(path: string, records: Readonly<Record<string, object>>): Promise<void> {
  const database = open<Buffer, Buffer>({ path, noSubdir: false, encoding: 'binary', keyEncoding: 'binary' })
  for (const [key, record] of Object.entries(records)) {
    await database.put(Buffer.from(key, 'latin1'), seal(Buffer.from(JSON.stringify(record))))
  }
  await database.close()
}

/** Lays the log's first entries, of term 1, each under a key of its own, as programs before version 3 did. */
async function putEntriesAlone(path: string, count: number): Promise<void> {
  const database = open<Buffer, Buffer>({ path, noSubdir: false, encoding: 'binary', keyEncoding: 'binary' })
  for (let index = 1; index <= count; index++) {
    const { command } = entryAt(index, 1)
    const key = Buffer.from([0x4c, 0, 0, 0, 0, 0, 0, 0, index])
    await database.put(key, seal(Buffer.from([1, 1, 1, command.length, ...command]), key))
  }
  await database.close()
}

test('a store of version 1 is opened as it is, and is of this version from the first write on', () =>
  inFolder(async (path) => {
    const { group, replica, members } = identity
    await initLmdbStore({ ...identity, path })
    const first = await openLmdbStore({ ...identity, path })
    const changes = new Map([['a', Buffer.from('1')]])
    await first.write(batchOf({ entries: [entryAt(1, 1), entryAt(2, 1)], appliedIndex: 1 as LogIndex, changes }))
    await first.close()
    await putEntriesAlone(path, 2)
    await putRaw(path, { I: { version: 1, group, replica, members }, H: { term: 3, votedFor: 'n2', appliedIndex: 1 } })
    const store = await openLmdbStore({ ...identity, path })
    expect(store.state).toEqual({
      hardState: { term: 3, votedFor: 'n2' },
      appliedIndex: 1,
      membership: { index: 0, voters: members, learners: [] },
    })
    expect([store.base.index, store.lastIndex, spaceOf(store)]).toEqual([0, 2, ['a=1']])
    await store.write(batchOf({ ...store.state, entries: [entryAt(2, 3), entryAt(3, 3)] }))
    expect(store.read(1 as LogIndex, 9, 999)).toEqual([entryAt(1, 1), entryAt(2, 3), entryAt(3, 3)])
    await store.close()
    await putRaw(path, { I: { version: 4, group, replica, members } })
    await expect(openLmdbStore({ ...identity, path })).rejects.toMatchObject({
      code: 'future-version',
      message: expect.stringContaining('version 4, this program reads versions 1 to 3'),
    })
  }))
