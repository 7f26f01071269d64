import { join } from 'node:path'
import type { Shop } from '../shop/shop.ts'

const services = join(import.meta.dirname, '..', '..', 'services')

/** The audit's arguments for a shop: where its stores, its opening balances and the ledger are. */
export function auditArguments(shop: Shop, ledgerFile: string): string[] {
  return [
    ...['--payments', shop.paymentsDatabase.url],
    ...['--orders', shop.ordersDatabase.url],
    ...['--inventory', join(shop.folder, 'inventory')],
    ...['--accounts', join(services, 'payments', 'accounts.json')],
    ...['--stock', join(services, 'inventory', 'stock.json')],
    ...['--ledger', ledgerFile],
  ]
}
