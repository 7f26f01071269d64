import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { newOrders, penniless } from './order.ts'

const program = join(import.meta.dirname, '..', '..', 'infra', 'demo', 'main.ts')
const folder = mkdtempSync(join(tmpdir(), 'verdict-orders-'))

afterAll(() => rmSync(folder, { recursive: true }))

test('npm run demo -- --traces tells where traces are to be seen, and without a terminal leaves nothing running', async () => {
  const file = join(folder, 'orders.jsonl')
  const [first, ...others] = newOrders(60)
  writeFileSync(
    file,
    [{ ...first, customer: penniless }, ...others].map((order) => `${JSON.stringify(order)}\n`).join(''),
  )
  const args = ['--conditions=@verdict/source', program, '--traces', '--orders', file]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const [page = ''] = /committed +(http:\/\/127\.0\.0\.1:\d+\/#trace=[0-9a-f]{32})\n/.exec(stdout)?.slice(1) ?? []
  expect(stdout).toMatch(/refused +http:\/\/127\.0\.0\.1:\d+\/#trace=[0-9a-f]{32}\n/)
  expect(stdout).toContain('The books balance.')
  await expect(fetch(page)).rejects.toThrow('fetch failed')
})
