import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { groupIdOf, parseManifest, startCoordinator } from '@verdict/coordinator'
import { openLmdbStore, type ReplicaId } from '@verdict/raft'
import { connectNats, systemClock, systemRandom } from '@verdict/runtime'
import { pino } from 'pino'
import { ConfigurationError, readConfiguration } from './configuration.ts'
import { serveHealth } from './health.ts'
import { logEvent } from './log.ts'

/** How long a graceful stop may take before the process ends all the same: a stop that hangs is restarted by nobody. */
const maxStopMs = 10_000

try {
  await run()
} catch (error) {
  // One sentence for an operator, who needs no stack to mend a setting.
  const known = error instanceof Error && 'code' in error
  process.stderr.write(`${known ? error.message : String(error instanceof Error ? error.stack : error)}\n`)
  process.exit(error instanceof ConfigurationError ? 2 : 1)
}

async function run(): Promise<void> {
  const settings = readConfiguration(process.env)
  const log = pino({ name: 'coordinator', level: settings.logLevel, base: { replica: settings.replica } })
  const manifest = parseManifest(readFileSync(settings.groupFile, 'utf8'))
  const replica = settings.replica as ReplicaId
  const store = await openLmdbStore({
    path: settings.dataFolder,
    group: groupIdOf(manifest),
    replica,
    members: manifest.replicas,
  })
  const bus = await connectNats({
    servers: settings.natsUrl,
    name: `verdict coordinator ${settings.replica}`,
    onStatus: (status) => log.info({ status }, 'nats'),
  })
  const coordinator = await startCoordinator({
    manifest,
    replica,
    store,
    world: { clock: systemClock, random: systemRandom, bus },
    namespace: settings.namespace,
    version: '0.1.0',
    onEvent: (event) => logEvent(log, event),
  })
  const health = serveHealth(coordinator)
  health.listen(settings.httpPort, settings.httpHost)
  await once(health, 'listening')
  log.info({ group: coordinator.group, address: health.address() }, 'serving')

  const stop = async (signal: string): Promise<void> => {
    log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), maxStopMs).unref()
    health.close()
    await coordinator.stop()
    await bus.close()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      stop(signal).catch((error: unknown) => {
        log.error({ error }, 'could not stop gracefully')
        process.exit(1)
      })
    })
  }
}
