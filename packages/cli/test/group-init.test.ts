import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type DisposableTempDir, mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { groupIdOf, type Manifest, makeManifest, parseManifest } from '@verdict/coordinator'
import { openLmdbStore } from '@verdict/raft'
import { SeededRandom } from '@verdict/runtime/simulated'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { initGroup } from '../src/group-init.ts'
import { documented, shapeOf } from './reference.ts'

const manifest: Manifest = makeManifest('main', ['n1', 'n2', 'n3'], new SeededRandom(1))

describe('verdict group init', () => {
  let folder: DisposableTempDir
  let target: string

  beforeEach(async () => {
    folder = await mkdtempDisposable(join(tmpdir(), 'verdict-cli-'))
    target = join(folder.path, 'new', 'main')
  })

  afterEach(() => folder.remove())

  test('makes the manifest, and a store that each replica can open', async () => {
    const made = await initGroup(manifest, target)
    expect(parseManifest(readFileSync(made.manifest, 'utf8'))).toEqual(manifest)
    expect(readdirSync(target).toSorted()).toEqual(['manifest.json', 'n1', 'n2', 'n3'])
    expect(made.replicas.map(({ replica }) => replica)).toEqual(manifest.replicas)
    for (const replica of manifest.replicas) {
      const identity = { group: groupIdOf(manifest), replica, members: manifest.replicas }
      const store = await openLmdbStore({ path: join(target, replica), ...identity })
      await store.close()
    }
  })

  test('says what it made in the fields of the reference', async () => {
    expect(shapeOf(await initGroup(manifest, target))).toEqual(shapeOf(documented('group init')))
  })

  test('takes a folder that is there and empty', async () => {
    mkdirSync(target, { recursive: true })
    await expect(initGroup(manifest, target)).resolves.toMatchObject({ group: groupIdOf(manifest) })
  })

  test('refuses a folder with anything in it, and leaves it as it was', async () => {
    mkdirSync(target, { recursive: true })
    writeFileSync(join(target, 'note'), 'mine')
    await expect(initGroup(manifest, target)).rejects.toThrow(/is not empty: note is in it/)
    expect(readdirSync(target)).toEqual(['note'])
    expect(readdirSync(join(target, '..'))).toEqual(['main'])
  })

  test('refuses to make a group where one is', async () => {
    await initGroup(manifest, target)
    const again = makeManifest('main', ['n1', 'n2', 'n3'], new SeededRandom(2))
    await expect(initGroup(again, target)).rejects.toThrow(/holds a group already/)
    expect(parseManifest(readFileSync(join(target, 'manifest.json'), 'utf8'))).toEqual(manifest)
  })

  test('leaves nothing behind when a store cannot be made', async () => {
    const broken = { ...manifest, replicas: ['n1', 'n1'] } as unknown as Manifest
    await expect(initGroup(broken, target)).rejects.toThrow()
    expect(readdirSync(join(target, '..'))).toEqual([])
  })
})
