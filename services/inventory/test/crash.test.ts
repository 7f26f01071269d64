import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crashTest } from '@verdict/testing'
import { afterAll, test } from 'vitest'
import { readInventory } from '../../../infra/demo/audit-inventory.ts'
import { defineInventory } from '../src/inventory.ts'

const folder = mkdtempSync(join(tmpdir(), 'verdict-inventory-'))
const store = join(folder, 'store')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('stock is reserved once or not at all, wherever inventory crashes', async () => {
  const report = await crashTest({
    define: () => defineInventory(store, { tea: 10 }),
    call: { operation: 'reserve', input: { orderId: 'o1', sku: 'tea', quantity: 2 } },
    reset: () => rmSync(store, { recursive: true, force: true }),
    state: () => {
      const { stock, reservations } = readInventory(store)
      return { stock, reservations }
    },
  })
  report.assert()
}, 120_000) // dozens of lives of the service, each with a store of its own
