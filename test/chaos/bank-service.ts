/** One instance of a participant, as a process. */
import { once } from 'node:events'
import { logEvents } from '@verdict/participant'
import { createLog } from '@verdict/telemetry'
import pg from 'pg'
import { z } from 'zod'
import { defineBank, defineVault, openingScript, witnessIn } from './bank.ts'

const { name, instance, natsUrls, databaseUrl, dataFolder, accounts, witnessFile } = z
  .object({
    name: z.string(),
    instance: z.string(),
    natsUrls: z.array(z.string()),
    databaseUrl: z.string().optional(),
    dataFolder: z.string().optional(),
    accounts: z.number(),
    witnessFile: z.string(),
  })
  .parse(JSON.parse(process.env['SETTINGS'] ?? '{}'))

const log = createLog({ name: instance, level: 'info' })
const witness = witnessIn(witnessFile)
const bank = databaseUrl === undefined ? vault() : await openBank(databaseUrl)
const serving = await bank.serve({ servers: natsUrls, onEvent: logEvents(log) })
log.info({ instance: serving.instance }, 'serving')
await once(process, 'SIGTERM')
log.info('draining')
await serving.stop()

async function openBank(url: string) {
  const client = new pg.Client(url)
  client.on('error', () => undefined)
  await client.connect()
  await client.query(openingScript(accounts))
  await client.end()
  return defineBank(name, url, witness)
}

function vault() {
  if (dataFolder === undefined) throw new Error('Expected a databaseUrl or a dataFolder.')
  return defineVault(name, dataFolder, accounts, witness)
}
