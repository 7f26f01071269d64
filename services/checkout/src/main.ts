import { once } from 'node:events'
import { connect } from '@verdict/client'
import { pino } from 'pino'
import { z } from 'zod'
import { serveHttp } from './http.ts'

const environment = z.object({
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  GROUP: z.string().default('main'),
  HTTP_HOST: z.string().default('127.0.0.1'),
  /** 0 lets the system choose; the log says which. */
  HTTP_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  LOG_LEVEL: z.string().default('info'),
})

const settings = environment.parse(process.env)
const log = pino({ name: 'checkout', level: settings.LOG_LEVEL })

await using verdict = await connect({ servers: settings.NATS_URL, owner: 'checkout', group: settings.GROUP })
const server = serveHttp(verdict)
server.listen(settings.HTTP_PORT, settings.HTTP_HOST)
await once(server, 'listening')
log.info({ address: server.address() }, 'serving')

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
log.info('draining')
server.close()
await once(server, 'close') // requests under way are answered first
