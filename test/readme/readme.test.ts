import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const program = join(import.meta.dirname, 'first-program.ts')

test("the README's first program is the one that is type-checked and run here, in fewer than 20 lines", () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const shown = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  const checked = readFileSync(program, 'utf8')
  expect(shown).toBe(checked)
  expect(checked.trimEnd().split('\n').length).toBeLessThan(20)
})

test('the first program prints what its comment says', async () => {
  const run = promisify(execFile)(process.execPath, ['--conditions=@verdict/source', program], { cwd: root })
  expect((await run).stdout.trim()).toBe('[ 30, 70 ]')
})
