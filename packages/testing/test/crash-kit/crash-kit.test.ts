import { expect, test } from 'vitest'
import { rightly, tryBank } from './bank.ts'

test('a service that works in its transaction passes every crash point', async () => {
  const report = await tryBank(() => rightly)
  report.assert()
  console.log(String(report))
  expect(report.lines.length).toBeGreaterThan(30)
})
