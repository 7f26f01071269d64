import { type Epoch, groupOf } from '@verdict/protocol'
import { expect, test } from 'vitest'
import { decode, encode } from '../src/codec.ts'
import { Environment } from '../src/environment.ts'
import { context, makeNote, Place } from './place.ts'

/** A store as the first release left it, with a committed row and a tombstone. */
async function firstRelease(
  place: Place,
  format = 1,
): Promise<Record<'committed' | 'buried', ReturnType<typeof makeNote>>> {
  const [committed, buried] = [makeNote(), makeNote()]
  const environment = new Environment(place.path)
  const { digest, token } = committed
  await environment.write([
    { space: 'meta', key: 'store', value: encode({ format, participant: context.participant }) },
    { space: 'ended', key: committed.id, value: encode({ state: 'committed', digest, token }) },
    { space: 'ended', key: buried.id, value: encode({ state: 'aborted', digest: buried.digest }) },
  ])
  await environment.close()
  return { committed, buried }
}

test('a store of the first release is used on, its rows are collected, and that release leaves it alone from then on', async () => {
  await using place = new Place()
  const { committed, buried } = await firstRelease(place)
  const resource = await place.start()
  const { id, digest, token } = committed
  expect(await resource.look(id)).toMatchObject({ state: 'committed', digest, token })
  const group = groupOf(id)
  expect(await resource.raiseFloor(group, 7 as Epoch)).toBe('raised')
  expect(await resource.collect(group, 10)).toEqual({ deleted: 1, logged: [{ id, digest, token }], last: undefined })
  expect(await resource.look(buried.id)).toEqual({ state: 'nothing' })
  await resource.forget([id])
  const copy = await resource.open({ lockTimeoutMs: 100 })
  await copy.session.store.put('a', 1)
  expect(await copy.prepare(committed)).toEqual({ kind: 'expired' })
  await resource.stop()
  const environment = new Environment(place.path)
  expect(decode(environment.get('meta', 'store') ?? new Uint8Array())).toMatchObject({ format: 2 })
  await environment.close()
})

test('a store of a later release is left alone', async () => {
  await using place = new Place()
  await firstRelease(place, 3)
  await expect(place.start()).rejects.toThrow('format 3, this version reads up to 2')
})

test('floors that are raised at the same time end at the highest', async () => {
  await using place = new Place()
  const resource = await place.start()
  const group = groupOf(makeNote().id)
  const raised = await Promise.all([7, 9, 8, 9].map((floor) => resource.raiseFloor(group, floor as Epoch)))
  expect(raised).toEqual(['raised', 'raised', 'stood', 'stood'])
  await resource.stop()
  expect([...(await (await place.start()).floors())]).toEqual([[group, 9]])
})
