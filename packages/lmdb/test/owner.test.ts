import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ResourceUnfitError } from '@verdict/participant'
import { participantName } from '@verdict/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lmdb } from '../src/index.ts'
import { context, Place } from './place.ts'

// Owns the store at the path that it is given, until it is killed.
const owningProgram = `
  import { lmdb } from '@verdict/lmdb'
  await lmdb({ path: process.argv[1], durability: 'weak' }).start({ participant: 'inventory' })
  console.log('owned')
  setInterval(() => {}, 1000)
`

let place: Place

beforeEach(() => {
  place = new Place()
})
afterEach(() => place[Symbol.asyncDispose]())

const refusal = async (participant = context.participant): Promise<unknown> =>
  lmdb({ path: place.path, durability: 'weak' })
    .start({ participant })
    .catch((error: unknown) => error)

test('a second process is refused while the first one lives, and may come in when that one was killed', async () => {
  const args = ['--conditions=@verdict/source', '--input-type=module', '--eval', owningProgram, place.path]
  const cwd = join(import.meta.dirname, '..')
  const owner = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  await once(owner.stdout, 'data')
  const error = await refusal()
  expect(error).toBeInstanceOf(ResourceUnfitError)
  expect(String(error)).toContain(`in use by process ${owner.pid}`)
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  await expect(place.start()).resolves.toBeDefined()
})

test('a second resource of the same process is refused, until the first one has stopped', async () => {
  const first = await place.start()
  expect(await refusal()).toBeInstanceOf(ResourceUnfitError)
  await first.stop()
  await expect(place.start()).resolves.toBeDefined()
})

test('a second resource is refused by whatever path it comes', async () => {
  await place.start()
  const link = `${place.path}.link`
  symlinkSync(place.path, link)
  for (const path of [link, `${place.path}/`]) {
    const second = lmdb({ path, durability: 'weak' })
    await expect(second.start(context)).rejects.toBeInstanceOf(ResourceUnfitError)
  }
})

test('what an earlier life left beside the store keeps nobody away', async () => {
  await (await place.start()).stop()
  writeFileSync(`${place.path}.owner.txt`, `process ${process.pid} on this host\n`)
  await expect(place.start()).resolves.toBeDefined()
})

test('the store of another participant is refused', async () => {
  await (await place.start()).stop()
  const error = await refusal(participantName('payments'))
  expect(error).toBeInstanceOf(ResourceUnfitError)
  expect(String(error)).toContain('belongs to participant inventory')
  await expect(place.start()).resolves.toBeDefined()
})
