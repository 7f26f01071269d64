import { afterEach, expect, test, vi } from 'vitest'
import { Environment } from '../src/environment.ts'
import { LmdbBrokenError } from '../src/errors.ts'
import { makeNote, Place } from './place.ts'

afterEach(() => vi.restoreAllMocks())

test('after a write that failed nothing is promised any more, until a new start reads what is there', async () => {
  await using place = new Place()
  const resource = await place.start()
  const [branch, note] = [await resource.open({ lockTimeoutMs: 30 }), makeNote()]
  await branch.session.store.put('a', 1)
  const other = await resource.open({ lockTimeoutMs: 30 })

  const error = new LmdbBrokenError('no space left on device')
  vi.spyOn(Environment.prototype, 'broken', 'get').mockReturnValue(error)
  vi.spyOn(Environment.prototype, 'write').mockRejectedValue(error)
  expect(await branch.prepare(note)).toEqual({ kind: 'busy' })
  expect(await resource.look(note.id)).toEqual({ state: 'underway' })
  expect(await resource.tombstone(note.id, note.digest)).toBe('busy')
  expect(await resource.finish(note, 'aborted')).toBe('busy')
  await expect(other.session.store.put('a', 2)).rejects.toThrow('was not free')
  await expect(resource.open({ lockTimeoutMs: 30 })).rejects.toMatchObject({ reason: { retryable: true } })

  vi.restoreAllMocks()
  await resource.stop()
  const next = await place.start()
  expect(await next.look(note.id)).toEqual({ state: 'nothing' })
})
