import { once } from 'node:events'
import { connect } from '@verdict/client'
import type { Log } from '@verdict/telemetry'
import { z } from 'zod'
import { serveHttp } from './http.ts'

const environment = z.object({
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  GROUP: z.string().default('main'),
  HTTP_HOST: z.string().default('127.0.0.1'),
  /** 0 lets the system choose; the log says which. */
  HTTP_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
})

/** Serves until a signal asks to stop; requests under way are answered first. */
export async function serve(log: Log): Promise<void> {
  const settings = environment.parse(process.env)
  await using verdict = await connect({ servers: settings.NATS_URL, owner: 'checkout', group: settings.GROUP })
  const server = serveHttp(verdict, log)
  server.listen(settings.HTTP_PORT, settings.HTTP_HOST)
  await once(server, 'listening')
  log.info({ address: server.address() }, 'serving')

  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  log.info('draining')
  server.close()
  await once(server, 'close')
}
