import { globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')
const foreign = new Set(['node_modules', 'dist', '.git', '.tools', '.vitest', 'pnpm-lock.yaml'])

/** A text file of this repository; `path` is relative to its root, with `/` between folders. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** All files whose path matches, without those that others made (dependencies, builds, the lockfile). */
export function sources(pattern: string): readonly Source[] {
  return globSync(pattern, { cwd: root, exclude: (name) => foreign.has(name.split(/[\\/]/).at(-1) ?? '') })
    .filter((path) => !path.endsWith('.tsbuildinfo'))
    .filter((path) => statSync(join(root, path)).isFile())
    .map((path) => ({ path: path.replaceAll('\\', '/'), text: readFileSync(join(root, path), 'utf8') }))
    .filter(({ text }) => !text.includes('\0'))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** What the modules of a TypeScript source are imported from, types included. */
export function importsOf(text: string): readonly string[] {
  const statements = text.matchAll(/^(?:import|(?:import|export)\b[^'"`;]*?\sfrom)\s+'([^']+)'/gm)
  const calls = text.matchAll(/\bimport\(\s*'([^']+)'/g)
  return [...statements, ...calls].map(([, specifier]) => specifier ?? '')
}

/** The source without its comments. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(?<=^|\s)\/\/.*$/gm, '')
}
