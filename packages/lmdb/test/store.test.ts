import { afterEach, beforeEach, expect, test } from 'vitest'
import { LmdbLimitError, type LmdbResource, LockDeadlockError, LockTimeoutError } from '../src/index.ts'
import { maxBranchBytes, maxKeyBytes } from '../src/limits.ts'
import { commit, makeNote, Place } from './place.ts'

let place: Place
let resource: LmdbResource

beforeEach(async () => {
  place = new Place()
  resource = await place.start()
})
afterEach(() => place[Symbol.asyncDispose]())

const open = async () => (await resource.open({ lockTimeoutMs: 30 })).session.store

test('values are plain data, also after the process starts again', async () => {
  const value = { text: 'ü', list: [1, null, true], at: new Date(0), bytes: new Uint8Array([1, 2]), large: 2n ** 60n }
  await commit(resource, (store) => store.put('a', value))
  await resource.stop()
  const again = await place.start()
  const read = again.read('a') as typeof value
  expect({ ...read, bytes: [...read.bytes] }).toEqual({ ...value, bytes: [1, 2] })
  expect(again.read('b')).toBeUndefined()
})

test('a value can be read the moment its branch is committed, though others read all the time', async () => {
  let isDone = false
  const reading = (async () => {
    for (; !isDone; await new Promise(setImmediate)) resource.read('other')
  })()
  for (let round = 0; round < 100; round += 1) {
    await commit(resource, (store) => store.put('a', round))
    expect(resource.read('a')).toBe(round)
  }
  isDone = true
  await reading
})

test('a list is in the order of bytes, sees what the branch itself did, and goes on where it ended', async () => {
  await commit(resource, async (store) => {
    for (const key of ['b/2', 'b/10', 'a', 'b/é', 'b/z', 'c']) await store.put(key, key)
  })
  const store = await open()
  await store.delete('b/2')
  await store.put('b/1', 'new')
  expect((await store.list({ prefix: 'b/' })).map(({ key }) => key)).toEqual(['b/1', 'b/10', 'b/z', 'b/é'])
  expect((await store.list({ prefix: 'b/', after: 'b/10', limit: 1 })).map(({ key }) => key)).toEqual(['b/z'])
  expect(resource.list({ prefix: 'b/' }).map(({ key }) => key)).toEqual(['b/10', 'b/2', 'b/z', 'b/é'])
  expect(resource.list({ after: 'b/z' }).map(({ key }) => key)).toEqual(['b/é', 'c'])
})

test('nobody adds or removes a key while a branch has listed them; changing other values goes on', async () => {
  await commit(resource, async (store) => {
    for (const key of ['a', 'y', 'z']) await store.put(key, 1)
  })
  const [lister, writer] = [await open(), await open()]
  await lister.list({ prefix: 'a' })
  await expect(writer.put('ab', 1)).rejects.toThrow(LockTimeoutError)
  await expect(writer.delete('z')).rejects.toThrow(LockTimeoutError)
  await expect((await open()).put('y', 2)).resolves.toBeUndefined()
})

test('two branches add keys at the same time', async () => {
  const [one, other] = [await open(), await open()]
  await one.put('a', 1)
  await expect(other.put('b', 1)).resolves.toBeUndefined()
})

test('readers share a key, and a writer waits for them', async () => {
  await commit(resource, (store) => store.put('a', 1))
  const [one, other, writer] = [await open(), await open(), await open()]
  expect([await one.get('a'), await other.get('a')]).toEqual([1, 1])
  await expect(writer.put('a', 2)).rejects.toThrow(LockTimeoutError)
  await expect(writer.getForUpdate('a')).rejects.toThrow(LockTimeoutError)
})

test('of two branches that read a key and then write it the second is the victim of a deadlock at once', async () => {
  await commit(resource, (store) => store.put('a', 1))
  const [one, other] = [await open(), await open()]
  await one.get('a')
  await other.get('a')
  const waiting = one.put('a', 2)
  const victim = await other.put('a', 2).catch((error: unknown) => error)
  expect(victim).toBeInstanceOf(LockDeadlockError)
  expect(resource.explain(victim)).toMatchObject({ code: 'deadlock', retryable: true, heldBy: [{ mode: 'shared' }] })
  await expect(waiting).rejects.toThrow(LockTimeoutError) // the victim is still open
})

test('users’ keys and Verdict’s rows never meet, whatever a key looks like', async () => {
  const note = makeNote()
  await commit(resource, async (store) => {
    for (const key of ['', 'e', note.id, `p${note.id}`, `e${note.id}`, 'mstore']) await store.put(key, 'user')
  })
  expect(await resource.look(note.id)).toEqual({ state: 'nothing' })
  expect(resource.list()).toHaveLength(6)
  expect(await resource.inDoubt(0, 10)).toEqual([])
})

test('what is too large is refused with a reason, and what cannot be a value is the caller’s mistake', async () => {
  const store = await open()
  const tooMuch = await store.put('a', new Uint8Array(maxBranchBytes)).catch((error: unknown) => error)
  expect(tooMuch).toBeInstanceOf(LmdbLimitError)
  expect(resource.explain(tooMuch)).toMatchObject({ code: 'resource-refused', retryable: false })
  await expect(store.get('k'.repeat(maxKeyBytes + 1))).rejects.toThrow(LmdbLimitError)
  await expect(store.put('k'.repeat(maxKeyBytes), 1)).resolves.toBeUndefined()
  await expect(store.list({ limit: 1001 })).rejects.toThrow(LmdbLimitError)
  await expect(store.put('a', undefined)).rejects.toThrow(TypeError)
})

test('branches beyond the capacity are refused, prepared ones counted', async () => {
  await resource.stop()
  resource = await place.start({ capacity: 1 })
  const branch = await resource.open({ lockTimeoutMs: 30 })
  await branch.session.store.put('a', 1)
  const note = makeNote()
  await branch.prepare(note)
  await expect(resource.open({ lockTimeoutMs: 30 })).rejects.toMatchObject({ reason: { code: 'overloaded' } })
  await resource.finish(note, 'committed')
  await expect(resource.open({ lockTimeoutMs: 30 })).resolves.toBeDefined()
})
