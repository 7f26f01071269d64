import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { testedSeeds } from '../simulation/history.ts'
import type { Catcher, Mutant } from './mutant.ts'

const raft = fileURLToPath(new URL('../..', import.meta.url))
const root = join(raft, '..', '..')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

/** A mutant that runs in circles is caught too. Well above the slowest catcher on a busy machine. */
const patienceMs = 180_000

const config = `export default { ssr: { resolve: { conditions: ['@verdict/source'] } }, test: { testTimeout: 60_000 } }`

export interface Run {
  readonly failed: boolean
  readonly output: string
}

/** A copy of the package in a folder of its own, in which one rule at a time is taken out. */
export class Workbench implements AsyncDisposable {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async open(): Promise<Workbench> {
    const folder = await mkdtemp(join(tmpdir(), 'raft-mutants-'))
    const copy = join(folder, 'packages', 'raft')
    await mkdir(copy, { recursive: true })
    for (const part of ['src', 'test', 'package.json'])
      await cp(join(raft, part), join(copy, part), { recursive: true })
    await symlink(join(raft, 'node_modules'), join(copy, 'node_modules'))
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
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
  async without<Result>({ file, code, replacement }: Mutant, act: () => Promise<Result>): Promise<Result> {
    const path = join(this.#folder, 'packages', 'raft', 'src', file)
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

  run(catcher: Catcher): Promise<Run> {
    if (catcher.kind === 'test') return this.#node([...this.#vitest([catcher.file]), '-t', escaped(catcher.name)])
    const simulate = join(this.#folder, 'packages', 'raft', 'test', 'simulation', 'simulate.ts')
    const { from, count } = testedSeeds
    return this.#node(['--conditions=@verdict/source', simulate, '--from', `${from}`, '--seeds', `${count}`, '--first'])
  }

  /** Runs whole files of tests at once. */
  runFiles(files: readonly string[]): Promise<Run> {
    return this.#node(this.#vitest(files))
  }

  #vitest(files: readonly string[]): readonly string[] {
    const paths = files.map((file) => `test/${file}.test.ts`)
    return [vitest, 'run', '--root', this.#folder, '--config', 'vitest.config.mjs', '--reporter', 'dot', ...paths]
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
