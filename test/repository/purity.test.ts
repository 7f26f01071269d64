import { describe, expect, test } from 'vitest'
import { importsOf, type Source, sources, withoutComments } from './sources.ts'

// Event in, effects out: these files know no disk, network, clock, chance or log. In protocol, raft and
// coordinator a file is pure unless it is named here as a shell; in participant the cores are named.
const cores: readonly { readonly files: string; readonly shells?: RegExp }[] = [
  // nested.ts marks the code that runs inside a branch: it belongs to the process, and both roles need it.
  { files: 'packages/protocol/src/**/*.ts', shells: /\/(nested|index|telemetry\/[a-z-]+)\.ts$/ },
  {
    files: 'packages/raft/src/**/*.ts',
    shells: /\/((lmdb|medium)-[a-z]+|(running-)?replica|administration|tracing|metering|index|internal)\.ts$/,
  },
  {
    files: 'packages/coordinator/src/**/*.ts',
    shells: /\/(leader|coordinator|calls|span|metering|[a-z]+-tracing|index|internal)\.ts$/,
  },
  { files: 'packages/participant/src/{ballot,branch,branch-*,ending,recovery}.ts' },
  { files: 'packages/client/src/{answer,branches,resend}.ts' },
]

// The same bytes give the same digest and checksum, anywhere and at any time.
const hash = "import { createHash } from 'node:crypto'"
const checksum = "import { crc32 } from 'node:zlib'"
const ambient =
  /\b(Date\.now|new Date|Math\.random|performance\.|process\.|crypto\.|randomUUID|(set|clear)(Timeout|Interval|Immediate)|queueMicrotask|fetch\(|console\.|await |async )/

/** What keeps this file from being a pure core, if anything. */
function impurity({ text }: Source): string | undefined {
  const code = withoutComments(text).replace(hash, '').replace(checksum, '')
  const shell = importsOf(code).find((from) => !/^(\.{1,2}\/|@verdict\/|(msgpackr|zod)$)/.test(from))
  return shell ?? ambient.exec(code)?.[0].trim()
}

describe.each(cores)('$files', ({ files, shells }) => {
  test('is pure', () => {
    const found = sources(files)
      .filter(({ path }) => !shells?.test(path))
      .map((source) => ({ path: source.path, impurity: impurity(source) }))
      .filter((source) => source.impurity)
    expect(found).toEqual([])
  })
})

test.each([
  ["import { readFileSync } from 'node:fs'", 'node:fs'],
  ["import { open } from 'lmdb'", 'lmdb'],
  ["import { randomBytes } from 'node:crypto'", 'node:crypto'],
  ['const now = Date.now()', 'Date.now'],
  ['const chosen = Math.random()', 'Math.random'],
  ['setTimeout(tick, 10)', 'setTimeout'],
  ['const answer = await ask()', 'await'],
  [`${hash}\n// not Date.now()`, undefined],
])('in %j the impurity is %j', (text, expected) => {
  expect(impurity({ path: 'packages/raft/src/core.ts', text })).toBe(expected)
})
