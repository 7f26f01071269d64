import { createServer, type Server } from 'node:http'
import type { Coordinator } from '@verdict/coordinator'

/** Entries that may be committed and not applied yet while a replica still counts as ready. */
const maxApplyLag = 10_000

/** What the endpoints tell about. Only a replica that serves can be asked: the store of one that stops may be closed. */
export type Life =
  | { readonly phase: 'starting' | 'stopping' }
  | { readonly phase: 'serving'; readonly coordinator: Pick<Coordinator, 'status'> }

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly found: string
}

interface Answer {
  readonly code: number
  readonly type: 'text/plain' | 'application/json'
  readonly body: string
}

/** Serves the health endpoints; `observe` gives the process as it is at the moment. */
export function serveHealth(observe: () => Life): Server {
  return createServer((request, response) => {
    const { code, type, body } = answer(request.method, request.url ?? '', observe())
    response.writeHead(code, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
  })
}

/**
 * `/livez` asks "restart me?": it is answered as long as the process runs, and never depends on a leader, since a restart would
 * not bring one. `/readyz` asks "does it take part?": it knows a leader and has applied nearly all that is committed.
 * `?verbose` lists the checks. `/status` tells as JSON what the replica knows.
 */
export function answer(method: string | undefined, url: string, life: Life): Answer {
  const [path, query] = url.split('?', 2)
  if (method !== 'GET') return { code: 405, type: 'text/plain', body: 'Expected GET.\n' }
  const verbose = new URLSearchParams(query).has('verbose')
  switch (path) {
    case '/livez':
      return judge([{ name: 'process', ok: true, found: life.phase }], verbose)
    case '/readyz':
      return judge(readiness(life), verbose)
    case '/status':
      return status(life)
    default:
      return { code: 404, type: 'text/plain', body: 'Expected /livez, /readyz or /status.\n' }
  }
}

/** A failed check is always named: whoever sees the failure wants to know which. */
function judge(checks: readonly Check[], verbose: boolean): Answer {
  const ok = checks.every((check) => check.ok)
  const lines = checks.map((check) => `${check.ok ? 'ok' : 'failed'} ${check.name}: ${check.found}\n`)
  return { code: ok ? 200 : 503, type: 'text/plain', body: verbose || !ok ? lines.join('') : 'ok\n' }
}

function readiness(life: Life): Check[] {
  const { phase } = life
  if (phase !== 'serving') return [{ name: 'process', ok: false, found: phase }]
  const { leader, term, commitIndex, appliedIndex } = life.coordinator.status()
  return [
    { name: 'process', ok: true, found: phase },
    {
      name: 'leader',
      ok: leader !== undefined,
      found: leader === undefined ? `none known in term ${term}` : `${leader} in term ${term}`,
    },
    { name: 'applied', ok: commitIndex - appliedIndex <= maxApplyLag, found: `${appliedIndex} of ${commitIndex}` },
  ]
}

function status(life: Life): Answer {
  if (life.phase !== 'serving') return { code: 503, type: 'text/plain', body: `The replica is ${life.phase}.\n` }
  return { code: 200, type: 'application/json', body: `${JSON.stringify(life.coordinator.status())}\n` }
}
