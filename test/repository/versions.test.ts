import { describe, expect, test } from 'vitest'
import { importsOf, sources, withoutComments } from './sources.ts'

/** Packages whose spans and metrics carry their name and version. */
const instrumented = sources('packages/*/src/**/*.ts').filter(({ text }) => /\.get(Tracer|Meter)\(/.test(text))
const names = [...new Set(instrumented.map(({ path }) => path.split('/')[1] ?? ''))]

describe.each(names)('%s', (name) => {
  const [manifest] = sources(`packages/${name}/package.json`)
  const [constant] = sources(`packages/${name}/src/version.ts`)

  test('has its version as a constant, and it is that of the package', () => {
    const { version } = JSON.parse(manifest?.text ?? '{}') as { version: string }
    expect(withoutComments(constant?.text ?? '').trim()).toBe(`export const version = '${version}'`)
  })

  test('asks for tracers and meters by its own name and version', () => {
    for (const { path, text } of instrumented.filter((source) => source.path.startsWith(`packages/${name}/`))) {
      expect(importsOf(text), path).toContain('./version.ts')
      for (const [, argument] of text.matchAll(/\.get(?:Tracer|Meter)\(([^)]*)\)/g)) {
        expect(argument, path).toBe(`'@verdict/${name}', version`)
      }
    }
  })
})

test('client and log are among them', () => {
  expect(names).toEqual(expect.arrayContaining(['client', 'raft']))
})
