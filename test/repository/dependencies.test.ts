import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { importsOf, type Source, sources } from './sources.ts'

// Who may know whom. An arrow that is not here is a decision to be taken, not a line to be added in passing.
const mayKnow: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  protocol: [],
  raft: ['runtime'],
  coordinator: ['protocol', 'raft', 'runtime'],
  participant: ['protocol', 'runtime'],
  client: ['protocol', 'runtime'],
  postgres: ['participant', 'protocol'],
  lmdb: ['participant', 'protocol', 'runtime'],
  telemetry: [],
  testing: ['client', 'coordinator', 'lmdb', 'participant', 'postgres', 'protocol', 'raft', 'runtime'],
  cli: ['client', 'coordinator', 'protocol', 'raft', 'runtime'],
}

interface Entry {
  readonly types: string
  readonly default: string
  readonly '@verdict/source'?: string
}

interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, Entry>>
  readonly publishConfig: { readonly exports: Readonly<Record<string, Entry>> }
}

const manifests = new Map(
  sources('packages/*/package.json').map(({ path, text }) => [path.split('/')[1] ?? '', JSON.parse(text) as Manifest]),
)
const entries = new Set(
  [...manifests.values()].flatMap(({ name, exports }) => Object.keys(exports).map((key) => posix.join(name, key))),
)

/** The name of the package of an import: `@scope/name` or `name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function dependenciesOf(manifest: Manifest): readonly string[] {
  return Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
}

function siblingsIn(names: Iterable<string>): readonly string[] {
  return [...new Set(names)]
    .filter((name) => name.startsWith('@verdict/'))
    .map((name) => packageOf(name).replace('@verdict/', ''))
}

/** Imports of a package's own source that break a rule, as `path: specifier`. */
function forbiddenImports(name: string, manifest: Manifest, files: readonly Source[]): readonly string[] {
  const declared = new Set(dependenciesOf(manifest))
  const isAllowed = (path: string, specifier: string): boolean => {
    if (specifier.startsWith('node:')) return true
    if (specifier.startsWith('.')) return posix.join(path, '..', specifier).startsWith(`packages/${name}/src/`)
    if (specifier.startsWith('@verdict/')) return entries.has(specifier) && declared.has(packageOf(specifier))
    return declared.has(packageOf(specifier))
  }
  return files.flatMap(({ path, text }) =>
    importsOf(text)
      .filter((specifier) => !isAllowed(path, specifier))
      .map((specifier) => `${path}: ${specifier}`),
  )
}

test('every package has its place in the order', () => {
  expect([...manifests.keys()].toSorted()).toEqual(Object.keys(mayKnow).toSorted())
})

describe.each([...manifests])('%s', (name, manifest) => {
  test('depends only on packages below it, and says so to the compiler', () => {
    const siblings = siblingsIn(dependenciesOf(manifest))
    expect(mayKnow[name]).toEqual(expect.arrayContaining([...siblings]))
    const [config] = sources(`packages/${name}/tsconfig.json`)
    const { references } = JSON.parse(config?.text ?? '') as { references: { path: string }[] }
    expect(references.map(({ path }) => path.replace('../', '')).toSorted()).toEqual(siblings.toSorted())
  })

  test('imports only what it declares, siblings only by an entry, and no file of another folder', () => {
    expect(forbiddenImports(name, manifest, sources(`packages/${name}/src/**/*.ts`))).toEqual([])
  })

  test('publishes the entries that it has in development', () => {
    const published = Object.entries(manifest.exports).map(([key, entry]) => {
      const { '@verdict/source': source, ...built } = entry
      expect(built.default).toBe(source?.replace('/src/', '/dist/').replace(/\.ts$/, '.js'))
      return [key, built]
    })
    expect(manifest.publishConfig.exports).toEqual(Object.fromEntries(published))
  })
})

test('the rules for imports find what breaks them', () => {
  const manifest = manifests.get('raft')
  if (!manifest) throw new Error('the package raft is gone')
  const path = 'packages/raft/src/sample.ts'
  const broken = ['@verdict/protocol', '@verdict/runtime/src/bus.ts', '../../runtime/src/bus.ts', 'pino']
  const text = [...broken, '@verdict/runtime', './core.ts', 'lmdb', 'node:fs']
    .map((from) => `import '${from}'`)
    .join('\n')
  expect(forbiddenImports('raft', manifest, [{ path, text }])).toEqual(broken.map((from) => `${path}: ${from}`))
})

test('services import each other by their entries only, and never a file of another folder', () => {
  const found = sources('services/*/src/**/*.ts').flatMap(({ path, text }) => {
    const home = `${path.split('/').slice(0, 2).join('/')}/`
    return importsOf(text)
      .filter((specifier) => specifier.startsWith('.') && !posix.join(path, '..', specifier).startsWith(home))
      .map((specifier) => `${path}: ${specifier}`)
  })
  expect(found).toEqual([])
})
