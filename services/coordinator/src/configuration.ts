import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** A port: a number in the file, digits in the environment. An empty text is a mistake, not port 0. */
const port = z
  .union([z.number(), z.string().regex(/^\d+$/).transform(Number)], { error: 'expected a number' })
  .pipe(z.int().min(0).max(65_535))

/** What a replica's process needs to know. Each key has a name in the environment and one in the configuration file. */
const schema = z.strictObject({
  /** Which replica of the group this process is. */
  replica: z.string().min(1),
  /** The manifest that `verdict group init` wrote. */
  groupFile: z.string().min(1),
  /** The replica's own store, made by `verdict group init`. */
  dataFolder: z.string().min(1),
  /** Servers of NATS, with commas between them. */
  natsUrl: z.string().min(1).default('nats://127.0.0.1:4222'),
  /** First token of every subject: several installations may share one NATS. */
  namespace: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/)
    .default('verdict'),
  httpHost: z.string().min(1).default('127.0.0.1'),
  /** Port of the health endpoints; 0 lets the system choose, and the log says which. */
  httpPort: port.default(8081),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

export type Configuration = z.infer<typeof schema>

const environmentNames: Readonly<Record<keyof Configuration, string>> = {
  replica: 'VERDICT_REPLICA',
  groupFile: 'VERDICT_GROUP_FILE',
  dataFolder: 'VERDICT_DATA_FOLDER',
  natsUrl: 'VERDICT_NATS_URL',
  namespace: 'VERDICT_NAMESPACE',
  httpHost: 'VERDICT_HTTP_HOST',
  httpPort: 'VERDICT_HTTP_PORT',
  logLevel: 'VERDICT_LOG_LEVEL',
}

const fileName = 'VERDICT_CONFIG'

/** The configuration cannot be used. The message names each key, what was found and what was expected. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly code = 'bad-configuration'
}

/**
 * Reads the configuration: the environment before the file that `VERDICT_CONFIG` names, the file before the defaults.
 * @throws ConfigurationError
 */
export function readConfiguration(environment: Readonly<Record<string, string | undefined>>): Configuration {
  refuseUnknownNames(environment)
  const file = environment[fileName]
  const given = file === undefined ? {} : readFile(file)
  const overrides = Object.fromEntries(
    Object.entries(environmentNames).flatMap(([key, name]) =>
      environment[name] === undefined ? [] : [[key, environment[name]]],
    ),
  )
  const parsed = schema.safeParse({ ...given, ...overrides }, { error: sayMissing })
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(({ path, message }) => `  ${origin(path[0], overrides, file)}: ${message}`)
  throw new ConfigurationError(`The configuration cannot be used:\n${problems.join('\n')}`)
}

/** A misspelt name would be ignored in silence, and its default taken instead. */
function refuseUnknownNames(environment: Readonly<Record<string, string | undefined>>): void {
  const known = new Set([...Object.values(environmentNames), fileName])
  const unknown = Object.keys(environment).filter((name) => name.startsWith('VERDICT_') && !known.has(name))
  if (unknown.length === 0) return
  throw new ConfigurationError(`${unknown.join(', ')}: no such setting. Expected one of ${[...known].join(', ')}.`)
}

function readFile(path: string): object {
  const refuse = (found: string, cause?: unknown): ConfigurationError =>
    new ConfigurationError(`${fileName}=${path}: expected a readable file with one JSON object. ${found}`, { cause })
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : String(cause), cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('It holds another value.')
  return value
}

function sayMissing({ code, input }: { readonly code: string; readonly input?: unknown }): string | undefined {
  return code === 'invalid_type' && input === undefined ? 'not set, and it has no default' : undefined
}

function origin(key: PropertyKey | undefined, overrides: object, file: string | undefined): string {
  const name = Object.entries(environmentNames).find(([known]) => known === key)?.[1]
  if (name === undefined) return file ?? String(key)
  return file === undefined || Object.hasOwn(overrides, String(key)) ? name : `${String(key)} in ${file} (or ${name})`
}
