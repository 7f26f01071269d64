import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Verdict } from '@verdict/client'
import { ProtocolError, transactionId } from '@verdict/protocol'
import type { Log } from '@verdict/telemetry'
import { z } from 'zod'
import { type Order, orderSchema, type Placed, placeOrder } from './checkout.ts'
import { type Answered, traced } from './tracing.ts'

/** Largest body of an order: a hundred times what a real one takes. */
const maxBodyBytes = 16 * 1024

interface Reply extends Answered {
  readonly body: unknown
}

const routes: readonly (string | undefined)[] = ['/keys', '/orders']

/**
 * The shop's door:
 *   POST /keys     → 201 { key }: a fresh idempotency key, which is a transaction id
 *   POST /orders   with the header Idempotency-Key → 201 committed, 409 refused, 503 in doubt: ask again with the same key
 */
export function serveHttp(verdict: Verdict, log: Log): Server {
  return createServer((request, response) => {
    const route = routes.find((known) => known === request.url)
    void traced(request, route, () => answer(verdict, log, request)).then((reply) => send(response, reply))
  })
}

/** Never rejects. */
async function answer(verdict: Verdict, log: Log, request: IncomingMessage): Promise<Reply> {
  try {
    if (request.method === 'POST' && request.url === '/keys') return { status: 201, body: { key: verdict.newId() } }
    if (request.method === 'POST' && request.url === '/orders') return await postOrder(verdict, log, request)
    return { status: 404, body: { error: 'Expected POST /orders or POST /keys.' } }
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    log.error({ err: error }, 'a request failed')
    return { status: 500, body: { error: String(error) }, error }
  }
}

async function postOrder(verdict: Verdict, log: Log, request: IncomingMessage): Promise<Reply> {
  const key = request.headers['idempotency-key']
  if (typeof key !== 'string') {
    return {
      status: 400,
      body: {
        error: 'The header Idempotency-Key is missing. Get a key from POST /keys first and keep it with the order.',
      },
    }
  }
  try {
    transactionId(key)
  } catch (error) {
    if (error instanceof ProtocolError) return { status: 400, body: { error: `Idempotency-Key: ${error.message}` } }
    throw error
  }
  const body = await readBody(request)
  if (body === undefined) return { status: 413, body: { error: `An order has at most ${maxBodyBytes} bytes.` } }
  const order = orderSchema.safeParse(parseJson(body))
  if (!order.success) return { status: 400, body: { error: z.prettifyError(order.error) } }
  const placed = await placeOrder(verdict, key, order.data)
  logPlaced(log, order.data, placed)
  return replyTo(placed)
}

/** What a customer would ask about. */
function logPlaced(log: Log, { orderId }: Order, placed: Placed): void {
  switch (placed.outcome) {
    case 'committed':
      break
    case 'refused': {
      const { id, participant, code, message } = placed
      log.info({ order: orderId, transaction: id, participant, code, why: message }, 'refused an order')
      break
    }
    case 'in-doubt':
      log.warn({ order: orderId, transaction: placed.id, why: placed.message }, 'an order is in doubt')
      break
  }
}

function replyTo(placed: Placed): Reply {
  switch (placed.outcome) {
    case 'committed':
      return { status: 201, body: placed }
    case 'refused':
      return { status: 409, body: placed }
    case 'in-doubt':
      return { status: 503, body: placed, headers: { 'retry-after': '1' } }
  }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBodyBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function send(response: ServerResponse, { status, body, headers }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(`${JSON.stringify(body)}\n`)
}
