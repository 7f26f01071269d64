import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const reference = readFileSync(join(import.meta.dirname, '../../../docs/reference/cli.md'), 'utf8')

/** The example in the reference that stands under `<!-- name -->`. */
export function documented(name: string): unknown {
  const example = new RegExp(`<!-- ${name} -->\n\`\`\`json\n([^]*?)\n\`\`\``).exec(reference)?.[1]
  if (example === undefined) throw new Error(`docs/reference/cli.md has no example of ${name}`)
  return JSON.parse(example)
}

/** Every field by its path, with the type of its value; the first item of a list stands for all. */
export function shapeOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return shapeOf(value[0], `${path}[]`)
  if (typeof value !== 'object' || value === null) return [`${path}: ${value === null ? 'null' : typeof value}`]
  return Object.entries(value).flatMap(([key, inner]) => shapeOf(inner, `${path}.${key}`))
}
