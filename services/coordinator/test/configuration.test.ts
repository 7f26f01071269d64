import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigurationError, readConfiguration } from '../src/configuration.ts'

const needed = {
  VERDICT_REPLICA: 'n1',
  VERDICT_GROUP_FILE: 'main/manifest.json',
  VERDICT_DATA_FOLDER: 'main/n1',
}

/** What is wrong with an environment. */
function fault(environment: Readonly<Record<string, string>>): string {
  try {
    readConfiguration(environment)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message
    throw error
  }
  throw new Error('nothing was found wrong')
}

async function withFile(text: string, use: (file: string) => void): Promise<void> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'verdict-configuration-'))
  const file = join(folder.path, 'coordinator.json')
  writeFileSync(file, text)
  use(file)
}

describe('the configuration', () => {
  test('needs three settings; all others have a default', () => {
    expect(readConfiguration({ ...needed, PATH: '/bin' })).toEqual({
      replica: 'n1',
      groupFile: 'main/manifest.json',
      dataFolder: 'main/n1',
      natsUrl: 'nats://127.0.0.1:4222',
      namespace: 'verdict',
      httpHost: '127.0.0.1',
      httpPort: 8081,
      logLevel: 'info',
    })
  })

  test('takes the environment before the file, and the file before the defaults', async () => {
    await withFile('{ "replica": "n9", "httpPort": 9000, "logLevel": "warn" }', (file) => {
      const settings = readConfiguration({ ...needed, VERDICT_CONFIG: file, VERDICT_HTTP_PORT: '9001' })
      expect(settings).toMatchObject({ replica: 'n1', httpPort: 9001, logLevel: 'warn', httpHost: '127.0.0.1' })
    })
  })

  test('names every setting that is missing', () => {
    expect(fault({ VERDICT_REPLICA: 'n1' })).toMatch(/VERDICT_GROUP_FILE: not set.*\n.*VERDICT_DATA_FOLDER: not set/)
  })

  test.each([
    ['VERDICT_REPLICA', ''],
    ['VERDICT_NATS_URL', ''],
    ['VERDICT_NAMESPACE', 'a.b'],
    ['VERDICT_HTTP_HOST', ''],
    ['VERDICT_HTTP_PORT', ''],
    ['VERDICT_HTTP_PORT', 'http'],
    ['VERDICT_HTTP_PORT', '65536'],
    ['VERDICT_LOG_LEVEL', 'loud'],
  ])('refuses %s=%j, and names it', (name, value) => {
    expect(fault({ ...needed, [name]: value })).toContain(`${name}: `)
  })

  test('refuses a name that it does not know: a misspelt one would be ignored in silence', () => {
    expect(fault({ ...needed, VERDICT_NAT_URL: 'nats://nats:4222' })).toMatch(
      /^VERDICT_NAT_URL: no such setting\. Expected one of .*VERDICT_NATS_URL/,
    )
  })

  test('refuses a key of the file that it does not know, and names the file', async () => {
    await withFile('{ "httpPorts": 1 }', (file) => {
      expect(fault({ ...needed, VERDICT_CONFIG: file })).toMatch(new RegExp(`${file}: .*httpPorts`))
    })
  })

  test('says which value of the file is wrong, and what would go before it', async () => {
    await withFile('{ "httpPort": "many" }', (file) => {
      expect(fault({ ...needed, VERDICT_CONFIG: file })).toContain(`httpPort in ${file} (or VERDICT_HTTP_PORT): `)
    })
  })

  test.each(['{', '[]', '1', 'null'])('refuses a file that holds %j', async (text) => {
    await withFile(text, (file) => {
      expect(fault({ ...needed, VERDICT_CONFIG: file })).toContain(`VERDICT_CONFIG=${file}: expected`)
    })
  })

  test('refuses a file that is not there', () => {
    expect(fault({ ...needed, VERDICT_CONFIG: 'never-made.json' })).toContain(
      'VERDICT_CONFIG=never-made.json: expected',
    )
  })
})

test('the reference names every setting, and no other', () => {
  const reference = readFileSync(join(import.meta.dirname, '../../../docs/reference/coordinator.md'), 'utf8')
  const known = fault({ ...needed, VERDICT_UNKNOWN: '' }).split('Expected one of ')[1]
  const inTable = [...reference.matchAll(/^\| `(VERDICT_\w+)` \|/gm)].map(([, name]) => name)
  expect([...inTable, 'VERDICT_CONFIG'].join(', ')).toBe(known?.replace(/\.$/, ''))
})
