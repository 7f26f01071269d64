import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { groupIdOf, ManifestError, parseManifest, startCoordinator } from '@verdict/coordinator'
import { openLmdbStore, type ReplicaId } from '@verdict/raft'
import { connectNats, systemClock, systemRandom } from '@verdict/runtime'
import type { Log, Telemetry } from '@verdict/telemetry'
import { type Configuration, ConfigurationError } from './configuration.ts'
import { EventLog, logStatus } from './event-log.ts'
import { type Life, serveHealth } from './health.ts'

/** How long a graceful stop may take before the process ends all the same: a stop that hangs is restarted by nobody. */
const maxStopMs = 10_000

export interface Surroundings {
  readonly version: string
  readonly log: Log
  readonly telemetry: Telemetry
}

/**
 * Starts the replica and returns once it serves. It then ends the process itself: when a signal asks it to stop, or when it failed.
 * @throws ConfigurationError, ManifestError, and whatever keeps the store or the endpoints from being opened.
 */
export async function runReplica(settings: Configuration, surroundings: Surroundings): Promise<void> {
  const { version, log, telemetry } = surroundings
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
  stopOnSignal(surroundings, () => {
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
    version,
    onEvent: (event) => {
      events.write(event)
      if (event.kind !== 'raft' || event.event.kind !== 'failed') return
      // A replica that failed can only be started again, which is for whoever watches this process.
      life = { phase: 'stopping' }
      void telemetry.stop().then(() => process.exit(1))
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
function stopOnSignal({ log, telemetry }: Surroundings, stop: () => Promise<void>): void {
  let stopping = false
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) process.exit(1)
    stopping = true
    log.info({ signal }, 'stopping')
    const timer = setTimeout(() => {
      log.error({ maxStopMs }, 'the stop took too long')
      process.exit(1)
    }, maxStopMs).unref()
    let code = 0
    try {
      await stop()
      log.info('stopped')
    } catch (err) {
      log.error({ err }, 'could not stop gracefully')
      code = 1
    }
    clearTimeout(timer) // telemetry has a bound of its own, and no say in the exit code
    await telemetry.stop()
    process.exit(code)
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
