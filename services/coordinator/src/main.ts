import { labels } from '@verdict/protocol/telemetry'
import { createLog, startTelemetry } from '@verdict/telemetry'
import manifest from '../package.json' with { type: 'json' }
import { type Configuration, readConfiguration } from './configuration.ts'

/** Codes of errors that only another configuration or manifest can mend. */
const unusable: readonly unknown[] = ['bad-configuration', 'bad-manifest']

try {
  await run(readConfiguration(process.env))
} catch (error) {
  // One sentence for an operator, who needs no stack to mend a setting; a stack for a fault in the program.
  const known = error instanceof Error && 'code' in error
  process.stderr.write(`${known ? error.message : String(error instanceof Error ? error.stack : error)}\n`)
  process.exit(known && unusable.includes(error.code) ? 2 : 1)
}

/** Telemetry first: the replica is only imported once the SDK is there. */
async function run(settings: Configuration): Promise<void> {
  const { version } = manifest
  const log = createLog({ name: 'coordinator', level: settings.logLevel, base: { replica: settings.replica } })
  const attributes = { [labels.replica]: settings.replica }
  const telemetry = await startTelemetry({ service: 'coordinator', version, log, attributes })
  const { runReplica } = await import('./replica.ts')
  await runReplica(settings, { version, log, telemetry })
}
