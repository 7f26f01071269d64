/** One bank of the benchmark as a process: a participant of Verdict, or driven by hand for the floor. */
import { createLog, startTelemetry } from '@verdict/telemetry'
import { type BankName, banks, defineBank } from './bank.ts'
import { serveFloor } from './floor.ts'

const { BANK, DATABASE_URL, NATS_URL, SYSTEM } = process.env
const name = banks.find((bank) => bank === BANK)
if (name === undefined || DATABASE_URL === undefined || NATS_URL === undefined)
  throw new Error('BANK, DATABASE_URL and NATS_URL are needed')

const stop =
  SYSTEM === 'floor' ? await serveFloor(name, DATABASE_URL, NATS_URL) : await serveVerdict(name, DATABASE_URL, NATS_URL)
console.log(JSON.stringify({ msg: 'serving' }))
process.once('SIGTERM', () => {
  stop().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})

async function serveVerdict(bank: BankName, databaseUrl: string, natsUrl: string): Promise<() => Promise<void>> {
  const log = createLog({ name: bank, level: 'warn' })
  const telemetry = await startTelemetry({ service: bank, version: 'bench', log })
  const serving = await defineBank(bank, databaseUrl).serve({ servers: natsUrl })
  return async () => {
    await serving.stop()
    await telemetry.stop()
  }
}
