import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from '@verdict/client'
import { defineParticipant, operation, refuse } from '@verdict/participant'
import { memoryResource, type SimulatedSession, startInProcess } from '@verdict/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { serveHttp } from '../src/http.ts'

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
  const server = serveHttp(verdict).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const post = async (path: string, headers: Record<string, string> = {}, body?: unknown) => {
    const init = { method: 'POST', headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const response = await fetch(url + path, init)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const freshKey = async (): Promise<string> => String((await post('/keys')).body['key'])
  return { stack, stock, money, book, post, freshKey }
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
