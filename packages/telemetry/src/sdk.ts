import { context, createContextKey, DiagLogLevel, diag, ROOT_CONTEXT } from '@opentelemetry/api'
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node'
import {
  defaultResource,
  resourceFromAttributes,
  serviceInstanceIdDetector,
  serviceNameEnvDetector,
} from '@opentelemetry/resources'
import { startNodeSdk } from '@opentelemetry/sdk-node'
import { diagnosticsTo } from './diagnostics.ts'
import { type Environment, isExported, settingOf } from './environment.ts'
import type { TelemetryOptions } from './start.ts'

// Everything that costs start time is imported here, and this file only when telemetry is on.

/**
 * How often the event loop is looked at. At the instrumentation's own 10 ms that alone costs an idle process half a per cent of a core,
 * five times as much as at this. Node counts it into the delay: a loop that is never late shows this much.
 */
const eventLoopPrecisionMs = 50

export type Sdk = ReturnType<typeof startNodeSdk>

/** Starts the SDK for the signals that are exported, with the metrics of the event loop and the heap. Nothing when it fails. */
export function startSdk(
  environment: Environment,
  { service, version, log, attributes }: TelemetryOptions,
): Sdk | undefined {
  const sdk = startNodeSdk({
    // Below what the environment says, which `resourceAttributes` would go before.
    baseResource: defaultResource().merge(
      resourceFromAttributes({ ...attributes, 'service.name': service, 'service.version': version }),
    ),
    // The SDK's own choice puts command line, owner and paths on everything that is sent.
    ...(settingOf(environment, 'OTEL_NODE_RESOURCE_DETECTORS') === undefined
      ? { resourceDetectors: [serviceInstanceIdDetector, serviceNameEnvDetector] }
      : {}),
    ...(isExported(environment, 'TRACES') ? {} : { spanProcessors: [] }),
    ...(isExported(environment, 'METRICS') ? {} : { metricReaders: [] }),
    ...(isExported(environment, 'LOGS') ? {} : { logRecordProcessors: [] }),
    instrumentations: isExported(environment, 'METRICS')
      ? [new RuntimeNodeInstrumentation({ monitoringPrecision: eventLoopPrecisionMs })]
      : [],
    logLevel: 'error', // until the next line the SDK speaks to stderr, whatever logger is set
  })
  diag.setLogger(diagnosticsTo(log), { logLevel: diagnosticLevel(environment), suppressOverrideMessage: true })
  return keepsContext() ? sdk : undefined
}

function diagnosticLevel(environment: Environment): DiagLogLevel {
  const level = (settingOf(environment, 'OTEL_LOG_LEVEL') ?? 'warn').toUpperCase()
  return DiagLogLevel[level as keyof typeof DiagLogLevel]
}

/** Whether the SDK is in place: one that cannot start says so to stderr, and returns something that does nothing. */
function keepsContext(): boolean {
  const probe = ROOT_CONTEXT.setValue(createContextKey('probe'), true)
  return context.with(probe, () => context.active() === probe)
}
