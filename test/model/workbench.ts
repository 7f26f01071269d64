import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mutant } from './mutants.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What the model runs on. */
const copied = ['protocol', 'runtime', 'raft', 'coordinator', 'participant', 'client']

/** A mutant that makes the search endless is caught too. Well above the largest scenario on a busy machine. */
const patienceMs = 300_000

export interface Search {
  readonly found: boolean
  readonly output: string
}

/** A copy of the sources in a folder of its own, in which one rule at a time is taken out. */
export class Workbench implements AsyncDisposable {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async open(): Promise<Workbench> {
    const folder = await mkdtemp(join(tmpdir(), 'protocol-mutants-'))
    for (const name of copied) {
      const [from, to] = [join(root, 'packages', name), join(folder, 'packages', name)]
      for (const part of ['src', 'package.json', 'node_modules'])
        await cp(join(from, part), join(to, part), { recursive: true, verbatimSymlinks: true })
    }
    await cp(join(root, 'test', 'model'), join(folder, 'test', 'model'), { recursive: true })
    await cp(join(root, 'package.json'), join(folder, 'package.json'))
    await linkModules(join(root, 'node_modules'), join(folder, 'node_modules'))
    return new Workbench(folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true })
  }

  /**
   * Searches a scenario with one rule taken out, then puts it back.
   * @throws Error when the text is not there any more, or what takes its place is no TypeScript.
   */
  async without({ file, code, replacement, scenario }: Mutant): Promise<Search> {
    const path = join(this.#folder, file)
    const whole = await readFile(path, 'utf8')
    if (!whole.includes(code))
      throw new Error(`${file} does not contain this any more; find the rule's new text:\n${code}`)
    const mutated = whole.replace(code, () => replacement)
    stripTypeScriptTypes(mutated)
    await writeFile(path, mutated)
    try {
      return await this.#search(scenario)
    } finally {
      await writeFile(path, whole)
    }
  }

  #search(scenario: string): Promise<Search> {
    const model = join(this.#folder, 'test', 'model', 'model.ts')
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['--conditions=@verdict/source', model, scenario], { timeout: patienceMs })
      const chunks: Buffer[] = []
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      child.once('error', reject)
      child.once('close', () => {
        const output = Buffer.concat(chunks).toString()
        resolve({ found: output.includes('COUNTEREXAMPLE'), output })
      })
    })
  }
}

/** Modules as they are installed; the packages of the workspace are those of the copy. */
async function linkModules(from: string, to: string): Promise<void> {
  await mkdir(to)
  for (const name of await readdir(from)) {
    if (name === '.pnpm') await symlink(join(from, name), join(to, name))
    else if (!name.startsWith('.'))
      await cp(join(from, name), join(to, name), { recursive: true, verbatimSymlinks: true })
  }
}
