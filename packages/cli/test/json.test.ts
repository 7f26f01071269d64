import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FakeGroup } from './fake-group.ts'
import { id, inDoubt, recorded } from './samples.ts'

const reference = readFileSync(join(import.meta.dirname, '../../../docs/reference/cli.md'), 'utf8')

/** The example in the reference that stands under `<!-- name -->`. */
export function documented(name: string): unknown {
  const example = new RegExp(`<!-- ${name} -->\n\`\`\`json\n([^]*?)\n\`\`\``).exec(reference)?.[1]
  if (example === undefined) throw new Error(`docs/reference/cli.md has no example of ${name}`)
  return JSON.parse(example)
}

/** Every field by its path, with the type of its value; the first item of a list stands for all. */
function shapeOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return shapeOf(value[0], `${path}[]`)
  if (typeof value !== 'object' || value === null) return [`${path}: ${value === null ? 'null' : typeof value}`]
  return Object.entries(value).flatMap(([key, inner]) => shapeOf(inner, `${path}.${key}`))
}

const group = (): FakeGroup =>
  new FakeGroup({
    leader: 'n1',
    silent: ['n2'],
    found: { ...recorded, branches: recorded.branches.toReversed() },
    reports: { n1: { inDoubt } },
  })

test.each([
  { name: 'status', args: ['status'] },
  { name: 'txn show', args: ['txn', 'show', recorded.id] },
  { name: 'txn list', args: ['txn', 'list', '--in-doubt'] },
])('verdict $name --json prints what the reference says, and nothing else', async ({ name, args }) => {
  const { out, err } = await group().run(...args, '--json')
  expect(shapeOf(JSON.parse(out))).toEqual(shapeOf(documented(name)))
  expect(err).toBe('')
})

test('a replica that does not answer, and a transaction that is not recorded, have the fields of the reference', async () => {
  const status = JSON.parse((await group().run('status', '--json')).out) as { replicas: unknown[] }
  const example = documented('status') as { replicas: unknown[] }
  expect(shapeOf(status.replicas[1])).toEqual(shapeOf(example.replicas[1]))

  const nothing = new FakeGroup({ leader: 'n1', found: { kind: 'none', id: id(1) } })
  const { out } = await nothing.run('txn', 'show', id(1), '--json')
  expect(shapeOf(JSON.parse(out))).toEqual(shapeOf(documented('txn show, nothing recorded')))
})
