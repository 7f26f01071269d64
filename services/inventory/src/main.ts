import { createLog, startTelemetry } from '@verdict/telemetry'
import manifest from '../package.json' with { type: 'json' }

// Telemetry first: the service is only imported once the SDK is there.
const log = createLog({ name: 'inventory', level: process.env['LOG_LEVEL'] ?? 'info' })
const telemetry = await startTelemetry({ service: 'inventory', version: manifest.version, log })
const { serve } = await import('./serve.ts')
await serve(log)
await telemetry.stop()
process.exit() // an export that hangs would keep the process
