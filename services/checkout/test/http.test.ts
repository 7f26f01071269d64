import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { startNodeSdk } from '@opentelemetry/sdk-node'
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace'
import { connect } from '@verdict/client'
import { defineParticipant, operation, refuse } from '@verdict/participant'
import { createLog } from '@verdict/telemetry'
import { memoryResource, type SimulatedSession, startInProcess } from '@verdict/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { serveHttp } from '../src/http.ts'

const exporter = new InMemorySpanExporter()
startNodeSdk({
  spanProcessors: [new SimpleSpanProcessor({ exporter })],
  metricReaders: [],
  logRecordProcessors: [],
  resourceDetectors: [],
})

/** Spans of HTTP requests that have ended since the last call. */
function spans() {
  const found = exporter.getFinishedSpans().filter(({ attributes }) => 'http.request.method' in attributes)
  exporter.reset()
  return found
}

const order = { orderId: 'o1', customer: 'anna', sku: 'tea', quantity: 2, cents: 900 }

/** Checkout at its door, with participants in memory that have the names and operations of the real ones. */
async function openShop() {
  const stack = new AsyncDisposableStack()
  const { world } = stack.use(await startInProcess())
  const [stock, money, book] = [memoryResource({ tea: 5 }), memoryResource({ anna: 1_000 }), memoryResource()]
  const take = (key: string, amount: string, code: string) =>
    operation({
      input: z.record(z.string(), z.union([z.string(), z.number()])),
      async run(input, { table }: SimulatedSession) {
        const [name, left] = [String(input[key]), Number(await table.get(String(input[key])))]
        if (left < Number(input[amount])) throw refuse(code, `${left} are left of ${name}.`)
        await table.put(name, left - Number(input[amount]))
      },
    })
  const place = operation({
    input: z.looseObject({ orderId: z.string() }),
    run: ({ orderId }, { table }: SimulatedSession) => table.put(orderId, 'placed'),
  })
  const reserve = take('sku', 'quantity', 'out-of-stock')
  const charge = take('account', 'cents', 'insufficient-funds')
  stack.use(await defineParticipant({ name: 'inventory', resource: stock, operations: { reserve } }).serve({ world }))
  stack.use(await defineParticipant({ name: 'payments', resource: money, operations: { charge } }).serve({ world }))
  stack.use(await defineParticipant({ name: 'orders', resource: book, operations: { place } }).serve({ world }))
  const verdict = stack.use(await connect({ world, owner: 'checkout' }))
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }
  const log = createLog({ name: 'checkout', level: 'info', destination })
  const server = serveHttp(verdict, log).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const post = async (path: string, headers: Record<string, string> = {}, body?: unknown) => {
    const init = { method: 'POST', headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const response = await fetch(url + path, init)
    const told = response.headers.get('traceresponse')
    return { status: response.status, body: (await response.json()) as Record<string, unknown>, told }
  }
  const freshKey = async (): Promise<string> => String((await post('/keys')).body['key'])
  return { stack, stock, money, book, post, freshKey, lines, close: () => verdict.close() }
}

describe('checkout over HTTP', () => {
  test('places an order in all three services, once for each key', async () => {
    const { stack, stock, money, book, post, freshKey } = await openShop()
    await using _ = stack
    const key = await freshKey()
    const headers = { 'idempotency-key': key }
    expect(await post('/orders', headers, order)).toMatchObject({ status: 201, body: { replayed: false } })
    expect(await post('/orders', headers, order)).toMatchObject({ status: 201, body: { replayed: true } })
    expect([stock.value('tea'), money.value('anna'), book.value('o1')]).toEqual([3, 100, 'placed'])
  })

  test('tells who refused and why, and changes nothing', async () => {
    const { stack, stock, money, post, freshKey } = await openShop()
    await using _ = stack
    const refused = await post('/orders', { 'idempotency-key': await freshKey() }, { ...order, cents: 2_000 })
    expect(refused).toMatchObject({
      status: 409,
      body: { outcome: 'refused', participant: 'payments', code: 'insufficient-funds', tryAgain: 'no' },
    })
    expect([stock.value('tea'), money.value('anna')]).toEqual([5, 1_000])
  })

  test('says what is wrong with a request before anything is begun', async () => {
    const { stack, post, freshKey } = await openShop()
    await using _ = stack
    const key = await freshKey()
    expect((await post('/orders', {}, order)).body['error']).toContain('Idempotency-Key is missing')
    expect((await post('/orders', { 'idempotency-key': 'mine' }, order)).body['error']).toContain(
      'not a transaction id',
    )
    const bad = await post('/orders', { 'idempotency-key': key }, { ...order, quantity: 0 })
    expect(bad).toMatchObject({ status: 400 })
    expect(bad.body['error']).toContain('quantity')
    expect(await post('/orders', { 'idempotency-key': key }, { text: 'x'.repeat(20_000) })).toMatchObject({
      status: 413,
    })
    expect(await post('/elsewhere')).toMatchObject({ status: 404 })
  })
})

describe('a request at the door', () => {
  test('is a span of kind SERVER, below that of the caller, and says which', async () => {
    const { stack, post } = await openShop()
    await using _ = stack
    spans()
    const [traceId, parentId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
    const { told } = await post('/keys', { traceparent: `00-${traceId}-${parentId}-01` })
    const [span] = spans()
    expect(span).toMatchObject({
      name: 'POST /keys',
      kind: SpanKind.SERVER,
      parentSpanContext: { spanId: parentId },
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/keys',
        'url.path': '/keys',
        'url.scheme': 'http',
        'http.response.status_code': 201,
      },
    })
    expect(told).toBe(`00-${traceId}-${span?.spanContext().spanId}-01`)
  })

  test('is named after nothing that a stranger can choose', async () => {
    const { stack, post } = await openShop()
    await using _ = stack
    spans()
    await post('/orders/17?card=4711')
    const [span] = spans()
    expect(span).toMatchObject({ name: 'POST', attributes: { 'url.path': '/orders/17' } })
    expect(span?.attributes).not.toHaveProperty('http.route')
  })

  test('that is refused leaves one line with the trace, and no failed span: the shop has done its work', async () => {
    const { stack, post, freshKey, lines } = await openShop()
    await using _ = stack
    const key = await freshKey()
    spans()
    await post('/orders', { 'idempotency-key': key }, { ...order, quantity: 6 })
    const [span] = spans()
    expect(span?.status.code).toBe(SpanStatusCode.UNSET)
    expect(lines).toMatchObject([
      {
        msg: 'refused an order',
        order: 'o1',
        transaction: key,
        participant: 'inventory',
        code: 'out-of-stock',
        trace_id: span?.spanContext().traceId,
        span_id: span?.spanContext().spanId,
      },
    ])
  })

  test('that fails here is an error, with its cause', async () => {
    const { stack, post, freshKey, lines, close } = await openShop()
    await using _ = stack
    const key = await freshKey()
    await close()
    spans()
    expect(await post('/orders', { 'idempotency-key': key }, order)).toMatchObject({ status: 500 })
    const [span] = spans()
    expect(span).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'error.type': 'ClientError', 'http.response.status_code': 500 },
    })
    expect(lines).toMatchObject([{ level: 50, msg: 'a request failed', err: { type: 'ClientError' } }])
  })
})
