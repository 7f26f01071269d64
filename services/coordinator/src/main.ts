import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { groupIdOf, ManifestError, parseManifest, startCoordinator } from '@verdict/coordinator'
import { openLmdbStore, type ReplicaId } from '@verdict/raft'
import { connectNats, systemClock, systemRandom } from '@verdict/runtime'
import { type Logger, pino } from 'pino'
import { type Configuration, ConfigurationError, readConfiguration } from './configuration.ts'
import { type Life, serveHealth } from './health.ts'
import { EventLog, logStatus } from './log.ts'

/** How long a graceful stop may take before the process ends all the same: a stop that hangs is restarted by nobody. */
const maxStopMs = 10_000

try {
  await run(readConfiguration(process.env))
} catch (error) {
  // One sentence for an operator, who needs no stack to mend a setting; a stack for a fault in the program.
  const known = error instanceof Error && 'code' in error
  process.stderr.write(`${known ? error.message : String(error instanceof Error ? error.stack : error)}\n`)
  process.exit(error instanceof ConfigurationError || error instanceof ManifestError ? 2 : 1)
}

async function run(settings: Configuration): Promise<void> {
  const log = pino({ name: 'coordinator', level: settings.logLevel, base: { replica: settings.replica } })
  const manifest = parseManifest(readManifest(settings.groupFile))
  const replica = manifest.replicas.find((name) => name === settings.replica)
  if (replica === undefined) throw foreignReplica(settings, manifest.replicas)
  const store = await openLmdbStore({
    path: settings.dataFolder,
    group: groupIdOf(manifest),
    replica,
    members: manifest.replicas,
  })
  let life: Life = { phase: 'starting' }
  let release = (): Promise<void> => store.close()
  stopOnSignal(log, () => {
    life = { phase: 'stopping' }
    return release()
  })
  const health = serveHealth(() => life)
  health.listen(settings.httpPort, settings.httpHost)
  await once(health, 'listening')

  log.info({ servers: settings.natsUrl }, 'connecting to NATS')
  const bus = await connectNats({
    servers: settings.natsUrl.split(','),
    name: `verdict coordinator ${settings.replica}`,
    waitOnFirstConnect: true,
    onStatus: (status) => logStatus(log, status),
  })
  const events = new EventLog(log)
  const coordinator = await startCoordinator({
    manifest,
    replica,
    store,
    world: { clock: systemClock, random: systemRandom, bus },
    namespace: settings.namespace,
    version: ownVersion(),
    onEvent: (event) => {
      events.write(event)
      // A replica that failed can only be started again, which is for whoever watches this process.
      if (event.kind === 'raft' && event.event.kind === 'failed') process.exit(1)
    },
  })
  life = { phase: 'serving', coordinator }
  release = async () => {
    await coordinator.stop()
    await bus.close()
  }
  log.info({ group: coordinator.group, address: health.address() }, 'serving')
}

/** The first signal stops gracefully and within a bound, a second one at once: whoever sends it does not want to wait. */
function stopOnSignal(log: Logger, stop: () => Promise<void>): void {
  let stopping = false
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) process.exit(1)
    stopping = true
    log.info({ signal }, 'stopping')
    setTimeout(() => {
      log.error({ maxStopMs }, 'the stop took too long')
      process.exit(1)
    }, maxStopMs).unref()
    try {
      await stop()
      log.info('stopped')
      process.exit(0)
    } catch (err) {
      log.error({ err }, 'could not stop gracefully')
      process.exit(1)
    }
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal))
}

function readManifest(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ManifestError(
      `The group's manifest ${file} cannot be read: ${String(cause)}. Make a group with \`verdict group init\`, ` +
        'or let VERDICT_GROUP_FILE name the manifest that it wrote.',
      { cause },
    )
  }
}

function foreignReplica({ replica, groupFile }: Configuration, replicas: readonly ReplicaId[]): ConfigurationError {
  return new ConfigurationError(
    `The group of ${groupFile} has no replica ${replica}. Let VERDICT_REPLICA name one of ${replicas.join(', ')}.`,
  )
}

function ownVersion(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
