import { startNats } from '../../infra/nats.ts'
import { startPostgres } from '../../infra/postgres.ts'

// Starts servers, says where they are, and ends as a crash does.
const nats = await startNats()
const postgres = await startPostgres()
process.stdout.write(JSON.stringify([nats.url, postgres.url]), () => process.kill(process.pid, 'SIGKILL'))
