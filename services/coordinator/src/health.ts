import { createServer, type Server } from 'node:http'
import type { Coordinator } from '@verdict/coordinator'

/** Entries that may be committed and not applied yet while a replica still counts as ready. */
const maxApplyLag = 10_000

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly found: string
}

/**
 * The health endpoints. `/livez` asks "restart me?": it answers as long as the process does, and never depends on a leader, since
 * a restart would not bring one. `/readyz` asks "does it take part?": it knows a leader and has applied nearly all that is
 * committed. `?verbose` lists the checks. `/status` tells as JSON what the replica knows.
 */
export function serveHealth(coordinator: Coordinator): Server {
  return createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    if (request.method === 'GET' && url.pathname === '/status') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(coordinator.status())}\n`)
      return
    }
    const checks = url.pathname === '/livez' ? alive() : url.pathname === '/readyz' ? ready(coordinator) : undefined
    if (request.method !== 'GET' || checks === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('Expected GET /livez, /readyz or /status.\n')
      return
    }
    const ok = checks.every((check) => check.ok)
    const lines = checks.map((check) => `${check.ok ? 'ok' : 'failed'} ${check.name}: ${check.found}\n`)
    const body = url.searchParams.has('verbose') || !ok ? lines.join('') : 'ok\n'
    response.writeHead(ok ? 200 : 503, { 'content-type': 'text/plain' }).end(body)
  })
}

function alive(): Check[] {
  return [{ name: 'process', ok: true, found: `up for ${Math.round(process.uptime())} s` }]
}

function ready(coordinator: Coordinator): Check[] {
  const { leader, term, commitIndex, appliedIndex } = coordinator.status()
  return [
    {
      name: 'leader',
      ok: leader !== undefined,
      found: leader === undefined ? 'none known' : `${leader} in term ${term}`,
    },
    {
      name: 'applied',
      ok: commitIndex - appliedIndex <= maxApplyLag,
      found: `${appliedIndex} of ${commitIndex}`,
    },
  ]
}
