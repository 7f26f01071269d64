// All that a service needs for its driver's spans: `node --import ./instrumentation.ts main.ts`.
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'

new PgInstrumentation()
