import { describe, expect, test } from 'vitest'
import { groupIdOf, ManifestError, makeManifest, parseManifest } from '../src/manifest.ts'

const random = { bytes: (length: number): Uint8Array => new Uint8Array(length).fill(7), fraction: () => 0 }
const replicas = ['r1', 'r2', 'r3']

test('a manifest reads back from its JSON', () => {
  const manifest = makeManifest('main', replicas, random)
  expect(parseManifest(JSON.stringify(manifest))).toEqual(manifest)
  expect(groupIdOf(manifest)).toBe(`main_${manifest.incarnation}`)
})

test('a group that is made again under its old name is another group (R15)', () => {
  const other = { ...random, bytes: (length: number): Uint8Array => new Uint8Array(length).fill(8) }
  expect(groupIdOf(makeManifest('main', replicas, random))).not.toBe(groupIdOf(makeManifest('main', replicas, other)))
})

test('a group keeps what is settled for an hour, unless its manifest says otherwise (R11)', () => {
  expect(makeManifest('main', replicas, random).keptEpochs).toBe(360)
  const shorter = makeManifest('main', replicas, random, 3)
  expect(parseManifest(JSON.stringify(shorter)).keptEpochs).toBe(3)
  const { keptEpochs: _, ...older } = shorter
  expect(parseManifest(JSON.stringify(older)).keptEpochs).toBe(360)
})

describe('refuses, and says what to do about,', () => {
  test.each([
    ['a name of other characters', 'Main', replicas],
    ['a name that is too long', 'a'.repeat(15), replicas],
    ['no replica', 'main', []],
    ['an even number of replicas', 'main', ['r1', 'r2']],
    ['nine replicas', 'main', Array.from({ length: 9 }, (_, number) => `r${number}`)],
    ['a replica twice', 'main', ['r1', 'r1', 'r2']],
    ['a replica that is no subject token', 'main', ['r.1']],
  ])('%s', (_, name, ids) => {
    expect(() => makeManifest(name, ids, random)).toThrow(ManifestError)
  })

  test.each([2, 0, -1, 1.5, Number.NaN, 2 ** 30 + 1])('%s epochs to keep', (keptEpochs) => {
    expect(() => makeManifest('main', replicas, random, keptEpochs)).toThrow(ManifestError)
  })

  const good = makeManifest('main', replicas, random)
  test.each([
    ['text that is not JSON', '{'],
    ['another version', JSON.stringify({ ...good, version: 2 })],
    ['an unknown field', JSON.stringify({ ...good, witness: 'r4' })],
    ['a broken incarnation', JSON.stringify({ ...good, incarnation: 'short' })],
    ['no object', 'null'],
  ])('%s', (_, text) => {
    expect(() => parseManifest(text)).toThrow(ManifestError)
  })
})

test('a manifest of a later version says which program to start, and nothing of its fields', () => {
  const later = JSON.stringify({ ...makeManifest('main', replicas, random), version: 2, replicas: 'elsewhere' })
  expect(() => parseManifest(later)).toThrow(
    "The group's manifest is of version 2, this program reads version 1. Start the newer release here.",
  )
})
