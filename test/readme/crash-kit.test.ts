import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { faultKinds } from '../../packages/testing/src/crash-kit/fault.ts'
import { faults } from '../../packages/testing/src/crash-kit/sentence.ts'

const root = join(import.meta.dirname, '..', '..')
const page = readFileSync(join(root, 'docs/crash-kit.md'), 'utf8')

test("the crash kit's example is the test of the shop's payments", () => {
  const shown = /```ts\n([\s\S]*?)```/.exec(page)?.[1]
  expect(shown).toBe(readFileSync(join(root, 'services/payments/test/crash.test.ts'), 'utf8'))
})

test('every kind of finding is described, in the words of the code', () => {
  const table = page.slice(page.indexOf('| kind |'), page.indexOf('\n\n', page.indexOf('| kind |')))
  const described = [...table.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, kind, meaning]) => [kind, meaning])
  expect(described).toEqual(Object.entries(faultKinds))
})

test('the finding that is shown is one that the kit makes', () => {
  const subject = { operation: 'debit', session: 'the `sql`' }
  const { sentence, remedy } = faults.left(subject, 'After a crash before the vote', '')
  expect(page).toContain(`\n${sentence}\n  ${remedy}\n`)
})
