import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const raft = join(import.meta.dirname, '..', '..', 'packages', 'raft')
const design = readFileSync(join(raft, 'DESIGN.md'), 'utf8')

/** Each "`file.ts`: `one`, `other`" of the table of rules. */
const places = design
  .split('\n')
  .filter((line) => line.startsWith('| ') && line.includes('.ts`: '))
  .flatMap((line) => [...line.matchAll(/`([a-z-]+\.ts)`: ((?:`\w+`(?:, )?)+)/g)])
  .map(([, file = '', names = '']) => ({ file, names: [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => name) }))

test('each rule of the papers is where the design says', () => {
  expect(places.length).toBeGreaterThan(30)
  for (const { file, names } of places) {
    const path = join(raft, 'src', file)
    expect(existsSync(path), `${file} exists`).toBe(true)
    const source = readFileSync(path, 'utf8')
    for (const name of names) expect(source, `${file} has ${name}`).toMatch(declarationOf(name))
  }
})

function declarationOf(name: string): RegExp {
  return new RegExp(`(function|interface|const) ${name}\\b|^  (private |async )*${name}\\(`, 'm')
}
