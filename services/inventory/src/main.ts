import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { z } from 'zod'
import { defineInventory } from './inventory.ts'

const environment = z.object({
  DATA_FOLDER: z.string({ error: 'DATA_FOLDER: expected the folder of the LMDB store of inventory.' }),
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  /** JSON file of sku to quantity: stock that is put on the shelf when it is not there yet. */
  STOCK_FILE: z.string().default(join(import.meta.dirname, '..', 'stock.json')),
  LOG_LEVEL: z.string().default('info'),
})

const settings = environment.parse(process.env)
const log = pino({ name: 'inventory', level: settings.LOG_LEVEL })

const items = z.record(z.string(), z.number().int()).parse(JSON.parse(await readFile(settings.STOCK_FILE, 'utf8')))
await using serving = await defineInventory(settings.DATA_FOLDER, items).serve({ servers: settings.NATS_URL })
log.info({ instance: serving.instance }, 'serving')

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
// Leaving the program lets open branches end, takes nothing new, and then closes the connections.
log.info('draining')
