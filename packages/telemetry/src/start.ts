import { type BadValue, badValues, isExported, settingOf, signals } from './environment.ts'
import type { Log } from './log.ts'

/** How long the last export may hold a service up that is asked to stop; a collector that hangs costs no more. */
const maxStopMs = 2_000

export interface TelemetryOptions {
  /** The service's own name: `service.name`, unless the environment has another. */
  readonly service: string
  /** `service.version`. */
  readonly version: string
  /** What else tells this process from others, for everything that it sends: which replica it is, for example. */
  readonly attributes?: Readonly<Record<string, string>>
  /** Where bad settings, and the SDK's own troubles, are told. */
  readonly log: Log
}

export interface Telemetry {
  /** Exports what is left and shuts the SDK down. Takes at most two seconds, and never rejects. */
  stop(): Promise<void>
}

const off: Telemetry = { stop: async () => {} }

/**
 * Starts OpenTelemetry as the `OTEL_*` variables say. When they ask for nothing, nothing is loaded. When one cannot be used, each of
 * those is told in the log and the service runs without telemetry: it is there to work, and a default that nobody chose misleads.
 *
 * The first thing that a service does. Instruments that are made before the SDK is there stay dead, and imports are hoisted, so the
 * `main.ts` of a service imports this package and what its settings need, awaits this function, and only then imports the service:
 *
 * ```ts
 * const telemetry = await startTelemetry({ service: 'payments', version, log })
 * const { serve } = await import('./serve.ts')
 * ```
 *
 * A module with a side effect as the first import would not do: a module that awaits (the SDK is loaded only when it is wanted) does
 * not hold up its siblings. `node --import` would, and is left to users: instrumentations of drivers are registered there, before all of
 * this, and find the SDK once it is started.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { env } = process
  if (settingOf(env, 'OTEL_SDK_DISABLED')?.trim().toLowerCase() === 'true') return off
  const bad = badValues(env)
  report(bad, options.log)
  if (bad.length > 0 || !signals.some((signal) => isExported(env, signal))) return off
  try {
    const { startSdk } = await import('./sdk.ts')
    const sdk = startSdk(env, options)
    if (sdk !== undefined) return { stop: () => stopWithin(maxStopMs, sdk.shutdown(), options.log) }
    options.log.warn('OpenTelemetry could not be set up (stderr says why); running without telemetry')
  } catch (err) {
    options.log.warn({ err }, 'OpenTelemetry could not be loaded; running without telemetry')
  }
  return off
}

function report(bad: readonly BadValue[], log: Log): void {
  for (const { variable, found, expected } of bad) {
    log.warn({ variable, found, expected }, `${variable}=${found}: expected ${expected}; running without telemetry`)
  }
}

async function stopWithin(boundMs: number, shutdown: Promise<void>, log: Log): Promise<void> {
  const { promise: bound, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(() => {
    log.warn({ boundMs }, 'the last telemetry was not taken in time, and is lost')
    resolve()
  }, boundMs)
  const done = shutdown.catch((err: unknown) => log.warn({ err }, 'the last telemetry could not be exported'))
  await Promise.race([done, bound])
  clearTimeout(timer)
}
