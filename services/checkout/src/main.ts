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

const verdict = await connect({ servers: settings.NATS_URL, owner: 'checkout', group: settings.GROUP })
const server = serveHttp(verdict)
server.listen(settings.HTTP_PORT, settings.HTTP_HOST)
await once(server, 'listening')
log.info({ address: server.address() }, 'serving')

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    log.info({ signal }, 'draining')
    server.close()
    verdict.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error }, 'could not close')
        process.exit(1)
      },
    )
  })
}
