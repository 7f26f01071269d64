import { readFileSync } from 'node:fs'
import { protocolErrors, reasonCodes } from '@verdict/protocol'
import { expect, test } from 'vitest'

const document = readFileSync(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8')

test('every error code is documented, with whether trying again can help', () => {
  for (const [code, { retryable }] of Object.entries(protocolErrors)) {
    expect(document).toContain(`| \`${code}\` | ${retryable ? 'yes' : 'no'} |`)
  }
})

test('every reason code is documented', () => {
  for (const code of Object.values(reasonCodes)) expect(document).toContain(`| \`${code}\` |`)
})
