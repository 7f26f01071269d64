export { createLog, type Log, type LogOptions } from './log.ts'
export { startTelemetry, type Telemetry, type TelemetryOptions } from './start.ts'
