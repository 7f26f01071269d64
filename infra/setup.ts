import { natsProgram } from './nats.ts'
import { postgresPrograms } from './postgres.ts'

/**
 * Fetches the servers that tests start, before the first test, so that no test's time limit pays for a download. What
 * cannot be had is said here in one sentence; the tests that need it fail with the same one.
 */
export default function setup(): void {
  for (const provide of [...(process.env['NATS_URL'] ? [] : [natsProgram]), postgresPrograms]) {
    try {
      provide()
    } catch (error) {
      console.error(`setup: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}
