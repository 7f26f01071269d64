import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Verdict } from '@verdict/client'
import { ProtocolError, transactionId } from '@verdict/protocol'
import { z } from 'zod'
import { orderSchema, type Placed, placeOrder } from './checkout.ts'

/** Largest body of an order: a hundred times what a real one takes. */
const maxBodyBytes = 16 * 1024

interface Reply {
  readonly status: number
  readonly body: unknown
  readonly headers?: Record<string, string>
}

/**
 * The shop's door:
 *   POST /keys     → 201 { key }: a fresh idempotency key, which is a transaction id
 *   POST /orders   with the header Idempotency-Key → 201 committed, 409 refused, 503 in doubt: ask again with the same key
 */
export function serveHttp(verdict: Verdict): Server {
  return createServer((request, response) => {
    answer(verdict, request).then(
      (reply) => send(response, reply),
      (error: unknown) => send(response, { status: 500, body: { error: String(error) } }),
    )
  })
}

async function answer(verdict: Verdict, request: IncomingMessage): Promise<Reply> {
  if (request.method === 'POST' && request.url === '/keys') return { status: 201, body: { key: verdict.newId() } }
  if (request.method === 'POST' && request.url === '/orders') return await postOrder(verdict, request)
  return { status: 404, body: { error: 'Expected POST /orders or POST /keys.' } }
}

async function postOrder(verdict: Verdict, request: IncomingMessage): Promise<Reply> {
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
  return replyTo(await placeOrder(verdict, key, order.data))
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
