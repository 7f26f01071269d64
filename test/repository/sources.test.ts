import { describe, expect, test } from 'vitest'
import { importsOf, type Source, sources, withoutComments } from './sources.ts'

const maxLines = 400 // a file that is read in one sitting; a longer one holds two ideas
const maxTestLines = 500 // scenarios that share one stage read better in one file

/** A rule over the text of files: where it applies, what breaks it, and an example that must be found. */
interface Rule {
  readonly rule: string
  readonly files: string
  readonly except?: RegExp
  readonly broken: (source: Source) => boolean
  readonly example: Partial<Source>
}

const typescript = '{packages,services,infra,test}/**/*.ts'
const folders = ['work', 'home', 'root', 'Users'].join('|')
const machinePath = new RegExp(`(?<![\\w.)}])/(${folders})/\\w`)
const unfinished = new RegExp(`\\b(TO${'DO'}|FIX${'ME'})\\b`)
const switchedOff = /@ts-(ignore|nocheck)|(biome|eslint|oxlint)-(ignore|disable)/

const rules: readonly Rule[] = [
  {
    rule: 'an index is the public list and nothing else',
    files: 'packages/*/src/**/{index,internal}.ts',
    broken: ({ text }) =>
      withoutComments(text)
        .replaceAll(/^export (type )?(\*( as \w+)?|\{[^}]*\})( from '[^']+')?$/gm, '')
        .trim() !== '',
    example: { text: "export * from './bus.ts'\nexport const limit = 1" },
  },
  {
    rule: `a file has at most ${maxLines} lines, a test ${maxTestLines}`,
    files: typescript,
    broken: ({ text, path }) =>
      text.trimEnd().split('\n').length > (path.endsWith('.test.ts') ? maxTestLines : maxLines),
    example: { text: 'line\n'.repeat(maxLines + 1) },
  },
  {
    rule: 'a library writes no log; the command line, and what sets a service up, may',
    files: 'packages/*/src/**/*.ts',
    except: /^packages\/(cli|telemetry)\//,
    broken: ({ text }) => importsOf(text).includes('pino') || /\bconsole\.\w+\(/.test(withoutComments(text)),
    example: { text: "console.log('committed')" },
  },
  {
    rule: 'the type checker and the linters are not switched off',
    files: typescript,
    broken: ({ text, path }) =>
      switchedOff.test(text) || (text.includes('@ts-expect-error') && !/(^|\/)test\//.test(path)),
    example: { text: `// @ts-${'ignore'}: later` },
  },
  {
    rule: 'nothing is left for later',
    files: '**/*',
    broken: ({ text }) => unfinished.test(text),
    example: { text: `// TO${'DO'}: retry` },
  },
  {
    rule: 'no path of one machine',
    files: '**/*',
    broken: ({ text }) => machinePath.test(text),
    example: { text: `see /${'home'}/somebody/notes.md` },
  },
  {
    rule: 'a file is named after the one thing in it',
    files: typescript,
    broken: ({ path }) => /\/(utils?|helpers?|types|common|misc|manager)\.ts$/.test(path),
    example: { path: 'packages/raft/src/utils.ts' },
  },
  {
    rule: 'a test lies where the runner looks for it',
    files: '{packages,services,infra,test}/**/*.{test,spec}.ts',
    broken: ({ path }) => !/^((packages|services)\/[^/]+\/test|test)\/.*\.test\.ts$/.test(path),
    example: { path: 'packages/raft/src/quorum.test.ts' },
  },
]

describe.each(rules)('$rule', ({ files, except, broken, example }) => {
  test('an example of the opposite is found', () => {
    expect(broken({ path: 'packages/raft/src/sample.ts', text: '', ...example })).toBe(true)
  })

  test('every file keeps it', () => {
    const found = sources(files).filter((source) => !except?.test(source.path) && broken(source))
    expect(found.map(({ path }) => path)).toEqual([])
  })
})
