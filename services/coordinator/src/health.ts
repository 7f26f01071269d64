import { createServer, type Server } from 'node:http'
import type { Coordinator } from '@verdict/coordinator'

/** Entries that may be committed and not applied yet while a replica still counts as ready. */
const maxApplyLag = 10_000

/** What the endpoints tell about. */
export interface Subject {
  readonly phase: 'starting' | 'serving' | 'stopping'
  /** Absent until it has started. */
  readonly coordinator?: Pick<Coordinator, 'status'>
}

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
export function serveHealth(observe: () => Subject): Server {
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
export function answer(method: string | undefined, url: string, subject: Subject): Answer {
  const [path, query] = url.split('?', 2)
  if (method !== 'GET') return { code: 405, type: 'text/plain', body: 'Expected GET.\n' }
  const verbose = new URLSearchParams(query).has('verbose')
  switch (path) {
    case '/livez':
      return judge([{ name: 'process', ok: true, found: subject.phase }], verbose)
    case '/readyz':
      return judge(readiness(subject), verbose)
    case '/status':
      return status(subject)
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

function readiness({ phase, coordinator }: Subject): Check[] {
  const serving: Check = { name: 'process', ok: phase === 'serving', found: phase }
  if (coordinator === undefined) return [serving]
  const { leader, term, commitIndex, appliedIndex } = coordinator.status()
  return [
    serving,
    {
      name: 'leader',
      ok: leader !== undefined,
      found: leader === undefined ? `none known in term ${term}` : `${leader} in term ${term}`,
    },
    { name: 'applied', ok: commitIndex - appliedIndex <= maxApplyLag, found: `${appliedIndex} of ${commitIndex}` },
  ]
}

function status({ phase, coordinator }: Subject): Answer {
  if (coordinator === undefined) return { code: 503, type: 'text/plain', body: `The replica is ${phase}.\n` }
  return { code: 200, type: 'application/json', body: `${JSON.stringify(coordinator.status())}\n` }
}
