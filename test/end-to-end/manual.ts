import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { PostgresServer } from '../../infra/postgres.ts'
import type { Shop } from '../../infra/shop/shop.ts'

const root = join(import.meta.dirname, '..', '..')
const manual = readFileSync(join(root, 'docs', 'operations.md'), 'utf8')
const tool = join(root, 'packages', 'cli', 'src', 'main.ts')

/** What a command printed and ended with. */
export interface Printed {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** The commands that docs/operations.md shows under `<!-- name -->`, each as its words, with this id in the place of `ID`. */
export function shown(name: string, id = 'ID'): string[][] {
  const block = new RegExp(`<!-- ${name} -->\n\`\`\`sh\n([^]*?)\`\`\``).exec(manual)?.[1]
  if (block === undefined) throw new Error(`docs/operations.md shows no command as ${name}.`)
  return block
    .trimEnd()
    .split('\n')
    .map((line) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? ''))
    .map((words) => words.map((word) => (word === 'ID' ? id : word)))
}

/** Runs a command of the page against a shop, as an operator would. */
export async function run(shop: Shop, [program, ...words]: readonly string[]): Promise<Printed> {
  if (program !== 'verdict') throw new Error(`Expected a command of verdict, found ${program}.`)
  const env = { ...process.env, VERDICT_NATS_URL: shop.nats.url, VERDICT_OWNER: 'ops', NO_COLOR: '1' }
  try {
    const args = ['--conditions=@verdict/source', tool, ...words]
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: root, env })
    return { code: 0, out: stdout, err: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, out: stdout, err: stderr }
  }
}

/** Runs the statement of a `psql … -c "…"` of the page, or any other. */
export async function statement(database: PostgresServer, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(database.url)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}
