import { accessSync, constants } from 'node:fs'

export type Environment = Readonly<Record<string, string | undefined>>

export const signals = ['TRACES', 'METRICS', 'LOGS'] as const

export type Signal = (typeof signals)[number]

/** A value of the environment that cannot be used. */
export interface BadValue {
  readonly variable: string
  readonly found: string
  readonly expected: string
}

/** The value of a variable; one that is empty counts as not set, as the specification has it. */
export function settingOf(environment: Environment, variable: string): string | undefined {
  const value = environment[variable]
  return value === undefined || value.trim() === '' ? undefined : value
}

/**
 * Whether a signal is exported. Telemetry is off unless somebody asks for it: by an exporter, or by the endpoint of a collector
 * (the SDK alone would send everything to a collector on this machine, and complain when there is none).
 */
export function isExported(environment: Environment, signal: Signal): boolean {
  const exporters = settingOf(environment, `OTEL_${signal}_EXPORTER`)
  if (exporters !== undefined) return !listOf(exporters).includes('none')
  const endpoints = ['OTEL_EXPORTER_OTLP_ENDPOINT', `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]
  return endpoints.some((variable) => settingOf(environment, variable) !== undefined)
}

/** What a value may be, in words, and whether one is that. */
interface Rule {
  readonly expected: string
  readonly holds: (value: string) => boolean
  /** The value may hold a password or a token, which no log shall have. */
  readonly secret?: boolean
}

/** The values that the SDK would replace by a default, or ignore, and only tell its own console. */
export function badValues(environment: Environment): BadValue[] {
  return Object.entries(rules).flatMap(([variable, { expected, holds, secret = false }]) => {
    const value = settingOf(environment, variable)
    if (value === undefined || holds(value)) return []
    return [{ variable, found: secret ? '(a value that is not shown)' : withoutPassword(value), expected }]
  })
}

const flag: Rule = {
  expected: 'true or false',
  holds: (value) => ['true', 'false'].includes(value.trim().toLowerCase()),
}
const milliseconds: Rule = { expected: 'a number of milliseconds above 0', holds: (value) => Number(value) > 0 }
const amount: Rule = { expected: 'a whole number above 0', holds: (value) => isWhole(value, 1) }
const limit: Rule = { expected: 'a whole number, 0 or more', holds: (value) => isWhole(value, 0) }
const url: Rule = { expected: 'a URL that starts with http:// or https://', holds: isUrl }
const file: Rule = { expected: 'the path of a file that can be read', holds: isReadable }
const pairs: Rule = { expected: 'key=value pairs, percent-encoded, with commas between them', holds: arePairs }
const headers: Rule = { ...pairs, secret: true }
const protocol = oneOf('http/protobuf', 'http/json', 'grpc')
const compression = oneOf('gzip', 'none')

/** Settings of the exporter, for all signals together and for each one. */
const otlp: Readonly<Record<string, Rule>> = {
  ENDPOINT: url,
  PROTOCOL: protocol,
  HEADERS: headers,
  TIMEOUT: milliseconds,
  COMPRESSION: compression,
  INSECURE: flag,
  CERTIFICATE: file,
  CLIENT_CERTIFICATE: file,
  CLIENT_KEY: file,
}

const batch: Readonly<Record<string, Rule>> = {
  SCHEDULE_DELAY: milliseconds,
  EXPORT_TIMEOUT: milliseconds,
  MAX_QUEUE_SIZE: amount,
  MAX_EXPORT_BATCH_SIZE: amount,
}

const limits = [
  'ATTRIBUTE_COUNT',
  'ATTRIBUTE_VALUE_LENGTH',
  'SPAN_ATTRIBUTE_COUNT',
  'SPAN_ATTRIBUTE_VALUE_LENGTH',
  'SPAN_EVENT_COUNT',
  'SPAN_LINK_COUNT',
  'EVENT_ATTRIBUTE_COUNT',
  'LINK_ATTRIBUTE_COUNT',
  'LOGRECORD_ATTRIBUTE_COUNT',
  'LOGRECORD_ATTRIBUTE_VALUE_LENGTH',
]

/** https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/, as far as the SDK reads it. */
const rules: Readonly<Record<string, Rule>> = {
  OTEL_SDK_DISABLED: flag,
  OTEL_CONFIG_FILE: { expected: 'not to be set: the OTEL_* variables are the whole configuration', holds: () => false },
  OTEL_LOG_LEVEL: {
    expected: 'one of none, error, warn, info, debug, verbose, all',
    holds: (value) => /^(none|error|warn|info|debug|verbose|all)$/i.test(value),
  },
  OTEL_RESOURCE_ATTRIBUTES: pairs,
  OTEL_NODE_RESOURCE_DETECTORS: listFrom('service', 'host', 'process', 'all', 'none'),
  OTEL_PROPAGATORS: listFrom('tracecontext', 'baggage', 'b3', 'b3multi', 'none'),
  OTEL_TRACES_SAMPLER: oneOf(
    'always_on',
    'always_off',
    'traceidratio',
    'parentbased_always_on',
    'parentbased_always_off',
    'parentbased_traceidratio',
  ),
  OTEL_TRACES_SAMPLER_ARG: {
    expected: 'a number from 0 to 1',
    holds: (value) => Number(value) >= 0 && Number(value) <= 1,
  },
  OTEL_TRACES_EXPORTER: listFrom('otlp', 'console', 'none'),
  OTEL_METRICS_EXPORTER: listFrom('otlp', 'prometheus', 'console', 'none'),
  OTEL_LOGS_EXPORTER: listFrom('otlp', 'console', 'none'),
  OTEL_METRIC_EXPORT_INTERVAL: milliseconds,
  OTEL_METRIC_EXPORT_TIMEOUT: milliseconds,
  OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: oneOf('cumulative', 'delta', 'lowmemory'),
  OTEL_EXPORTER_PROMETHEUS_PORT: {
    expected: 'a port from 1 to 65535',
    holds: (value) => isWhole(value, 1) && Number(value) <= 65_535,
  },
  ...prefixed('OTEL_EXPORTER_OTLP_', otlp),
  ...Object.assign({}, ...signals.map((signal) => prefixed(`OTEL_EXPORTER_OTLP_${signal}_`, otlp))),
  ...prefixed('OTEL_BSP_', batch),
  ...prefixed('OTEL_BLRP_', batch),
  ...Object.fromEntries(limits.map((name) => [`OTEL_${name}_LIMIT`, limit])),
}

function prefixed(prefix: string, of: Readonly<Record<string, Rule>>): Record<string, Rule> {
  return Object.fromEntries(Object.entries(of).map(([name, rule]) => [prefix + name, rule]))
}

function oneOf(...known: readonly string[]): Rule {
  return { expected: `one of ${known.join(', ')}`, holds: (value) => known.includes(value) }
}

function listFrom(...known: readonly string[]): Rule {
  return {
    expected: `one or more of ${known.join(', ')}, with commas between them`,
    holds: (value) => listOf(value).every((name) => known.includes(name)),
  }
}

function listOf(value: string): string[] {
  return value
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

function isWhole(value: string, least: number): boolean {
  return Number.isSafeInteger(Number(value)) && Number(value) >= least
}

function isUrl(value: string): boolean {
  return /^https?:\/\//i.test(value) && URL.canParse(value)
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

function arePairs(value: string): boolean {
  try {
    decodeURIComponent(value)
  } catch {
    return false
  }
  return listOf(value).every((pair) => /^[^=]+=/.test(pair))
}

function withoutPassword(value: string): string {
  return value.replace(/\/\/[^/@]*@/, '//…@')
}
