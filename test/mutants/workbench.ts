import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Catcher, type Mutant, pathOf } from './mutant.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

/** A mutant that runs in circles is caught too. Well above the slowest catcher on a busy machine. */
const patienceMs = 180_000

// Most of a run's time goes into making modules of the sources, of which a mutant changes one.
const config = `export default {
  ssr: { resolve: { conditions: ['@verdict/source'] } },
  test: { testTimeout: 60_000, experimental: { fsModuleCache: true } },
}`

const copied = ['infra', 'packages', 'test', 'node_modules', 'package.json', 'tsconfig.json', 'tsconfig.base.json']
const left = ['.pnpm', 'dist'] // packages of others are linked to: no rule is taken out of them

export interface Run {
  readonly failed: boolean
  readonly output: string
}

/** A copy of the workspace in a folder of its own, in which one rule at a time is taken out. */
export class Workbench implements AsyncDisposable {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async open(): Promise<Workbench> {
    const folder = await mkdtemp(join(tmpdir(), 'verdict-mutants-'))
    const filter = (path: string): boolean => !left.includes(basename(path))
    // Links between packages are relative, so that those of the copy lead to its own.
    const options = { recursive: true, verbatimSymlinks: true, filter }
    for (const part of copied) await cp(join(root, part), join(folder, part), options)
    await mkdir(join(folder, 'node_modules'), { recursive: true })
    await symlink(join(root, 'node_modules', '.pnpm'), join(folder, 'node_modules', '.pnpm'))
    await writeFile(join(folder, 'vitest.config.mjs'), config)
    return new Workbench(folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true })
  }

  /**
   * Does something with one rule taken out, then puts it back.
   * @throws Error when the text is not there any more, or what takes its place is no TypeScript.
   */
  async without<Result>(mutant: Mutant, act: () => Promise<Result>): Promise<Result> {
    const { file, code, replacement } = mutant
    const path = join(this.#folder, pathOf(mutant))
    const whole = await readFile(path, 'utf8')
    if (!whole.includes(code))
      throw new Error(`${file} does not contain this any more; find the rule's new text:\n${code}`)
    const mutated = whole.replace(code, () => replacement)
    stripTypeScriptTypes(mutated)
    await writeFile(path, mutated)
    try {
      return await act()
    } finally {
      await writeFile(path, whole)
    }
  }

  async run(catcher: Catcher): Promise<Run> {
    switch (catcher.kind) {
      case 'test':
        return this.runTests([catcher])
      case 'histories': {
        const { simulator, from, count } = catcher
        return this.#program(simulator, '--from', `${from}`, '--seeds', `${count}`, '--first')
      }
      case 'search': {
        const { failed, output } = await this.#program('test/model/model.ts', catcher.scenario)
        // A search that breaks down has not found anything.
        return { failed: failed && output.includes('COUNTEREXAMPLE'), output }
      }
    }
  }

  /** Runs tests at once. */
  runTests(tests: readonly Extract<Catcher, { kind: 'test' }>[]): Promise<Run> {
    const files = new Set(tests.map(({ file }) => file))
    const names = tests.map(({ name }) => `${escaped(name)}$`).join('|')
    const how = ['--root', this.#folder, '--config', 'vitest.config.mjs', '--reporter', 'dot', '--pool', 'threads']
    return this.#node([vitest, 'run', ...how, ...files, '--testNamePattern', names])
  }

  #program(file: string, ...args: readonly string[]): Promise<Run> {
    return this.#node(['--conditions=@verdict/source', join(this.#folder, file), ...args])
  }

  #node(args: readonly string[]): Promise<Run> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, args, { cwd: this.#folder, timeout: patienceMs })
      const chunks: Buffer[] = []
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      child.once('error', reject)
      child.once('close', (code) => resolve({ failed: code !== 0, output: Buffer.concat(chunks).toString() }))
    })
  }
}

function escaped(name: string): string {
  return name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
