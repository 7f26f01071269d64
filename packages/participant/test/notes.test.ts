import { expect, test } from 'vitest'
import { Notes } from '../src/notes.ts'
import { idOf } from './names.ts'

test('the oldest notes give way; one that is written again is new', () => {
  const notes = new Notes<string>(2)
  notes.set(idOf(1), 'a')
  notes.set(idOf(2), 'b')
  notes.set(idOf(1), 'c')
  notes.set(idOf(3), 'd')
  expect([1, 2, 3].map((n) => notes.get(idOf(n)))).toEqual(['c', undefined, 'd'])
})
