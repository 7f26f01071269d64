import { expect, test } from 'vitest'
import { describeAge } from '../src/age.ts'
import { table } from '../src/table.ts'

const columns = [{ title: 'NAME' }, { title: 'COUNT', align: 'right' }, { title: 'NOTE' }] as const

test('each column is as wide as its widest cell, numbers end at the right, nothing trails', () => {
  const rows = [
    ['a', '1', 'x'],
    ['longer', '1000000', 'y'],
  ]
  expect(table(columns, rows, (_, text) => text)).toBe(
    ['NAME      COUNT  NOTE', 'a             1  x', 'longer  1000000  y', ''].join('\n'),
  )
})

test('colours do not count as width', () => {
  const painted = table(
    columns,
    [[{ text: 'ab', style: 'red' }, '1', 'x']],
    (style, text) => `<${style}>${text}</${style}>`,
  )
  expect(painted.split('\n')[1]).toBe('<red>ab</red>        1  x')
})

test.each([
  [-5000, '0 s'],
  [999, '0 s'],
  [59_999, '59 s'],
  [3_599_999, '59 min'],
  [7_200_000, '2 h'],
  [200_000_000, '2 d'],
])('an age of %d ms is told as %s', (ageMs, told) => {
  expect(describeAge(ageMs)).toBe(told)
})
