import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startNats } from '../../infra/nats.ts'

const root = join(import.meta.dirname, '..', '..')
const program = join(import.meta.dirname, 'counter.ts')

test("the log's README shows the replicated counter that is type-checked and run here, in fewer than 40 lines", () => {
  const readme = readFileSync(join(root, 'packages', 'raft', 'README.md'), 'utf8')
  const shown = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  const checked = readFileSync(program, 'utf8')
  expect(shown).toBe(checked)
  expect(checked.trimEnd().split('\n').length).toBeLessThan(40)
})

test('the replicated counter counts on all that was proposed, and reads what it counted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-counter-'))
  await using nats = await startNats()
  try {
    const run = promisify(execFile)(process.execPath, ['--conditions=@verdict/source', program], {
      cwd: folder,
      env: { ...process.env, NATS_URL: nats.url },
    })
    expect((await run).stdout).toBe('1\n3\n42\n42\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
