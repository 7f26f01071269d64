import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { logEvents } from '@verdict/participant'
import type { Log } from '@verdict/telemetry'
import { z } from 'zod'
import { defineInventory } from './inventory.ts'

const environment = z.object({
  DATA_FOLDER: z.string({ error: 'DATA_FOLDER: expected the folder of the LMDB store of inventory.' }),
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  /** JSON file of sku to quantity: stock that is put on the shelf when it is not there yet. */
  STOCK_FILE: z.string().default(join(import.meta.dirname, '..', 'stock.json')),
})

/** Serves until a signal asks to stop; open branches then end, nothing new is taken, and the store is closed. */
export async function serve(log: Log): Promise<void> {
  const settings = environment.parse(process.env)
  const items = z.record(z.string(), z.number().int()).parse(JSON.parse(await readFile(settings.STOCK_FILE, 'utf8')))
  const inventory = defineInventory(settings.DATA_FOLDER, items)
  await using serving = await inventory.serve({ servers: settings.NATS_URL, onEvent: logEvents(log) })
  log.info({ instance: serving.instance }, 'serving')

  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  log.info('draining')
}
