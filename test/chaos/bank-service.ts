/** One instance of a participant, as a process. */
import { once } from 'node:events'
import { logEvents } from '@verdict/participant'
import { createLog } from '@verdict/telemetry'
import { z } from 'zod'
import { defineBank, defineVault, witnessIn } from './bank.ts'

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

/** Longer than most faults: whoever locks all accounts has to wait for every transfer that one of them holds up. */
const lockTimeoutMs = 6_000

const log = createLog({ name: instance, level: 'info' })
const witness = witnessIn(witnessFile)
const bank = databaseUrl === undefined ? vault() : defineBank(name, databaseUrl, witness)
const serving = await bank.serve({ servers: natsUrls, onEvent: logEvents(log), settings: { lockTimeoutMs } })
log.info({ instance: serving.instance }, 'serving')
await once(process, 'SIGTERM')
log.info('draining')
await serving.stop()

function vault() {
  if (dataFolder === undefined) throw new Error('Expected a databaseUrl or a dataFolder.')
  return defineVault(name, dataFolder, accounts, witness)
}
