import { open } from 'lmdb'
import { unpack } from 'msgpackr'

export interface Reservation {
  readonly sku: string
  readonly quantity: number
}

/** What the store of inventory holds. */
export interface InventoryBooks {
  /** What is left of each item that was ever reserved. */
  readonly stock: ReadonlyMap<string, number>
  /** By order. */
  readonly reservations: ReadonlyMap<string, Reservation>
  /** Transactions whose branch is prepared and not ended. */
  readonly prepared: readonly string[]
}

/** Reads the LMDB folder of inventory, beside the service that owns it: `d` leads users' keys, `p` prepared branches. */
export function readInventory(path: string): InventoryBooks {
  const store = open<Buffer, Buffer>(path, {
    readOnly: true,
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
  })
  const stock = new Map<string, number>()
  const reservations = new Map<string, Reservation>()
  const prepared: string[] = []
  for (const { key, value } of store.getRange({})) {
    const text = Buffer.from(key).toString('utf8')
    if (text.startsWith('p')) prepared.push(text.slice(1))
    if (text.startsWith('dstock/')) stock.set(text.slice('dstock/'.length), Number(unpack(value)))
    if (text.startsWith('dreservation/'))
      reservations.set(text.slice('dreservation/'.length), unpack(value) as Reservation)
  }
  void store.close()
  return { stock, reservations, prepared }
}
