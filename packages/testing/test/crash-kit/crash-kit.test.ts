import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { type Debiting, rightly, tryBank } from './bank.ts'

test('a service that works in its transaction passes every crash point', async () => {
  const report = await tryBank(() => rightly)
  report.assert()
  expect(report.lines.map(({ fault }) => fault?.kind)).toEqual(report.lines.map(() => undefined))
  expect(report.lines.map(({ point }) => point)).toMatchInlineSnapshot(`
    [
      "no crash",
      "crash before the operation",
      "crash in the operation, after statement 1 (add anna)",
      "crash in the operation, after statement 2 (put debit anna)",
      "crash after the operation, before its answer",
      "crash after the answer, before prepare",
      "crash in prepare, before it is durable",
      "crash in prepare, once it is durable; committed",
      "crash after the vote; committed",
      "crash after the vote, and the next instance has to ask; committed",
      "replaced by another instance after the vote; committed",
      "crash on the outcome, before it is applied; committed",
      "crash on the outcome, once it is applied; committed",
      "crash after the acknowledgement; committed",
      "every message twice; committed",
      "crash in prepare, once it is durable; aborted",
      "crash after the vote; aborted",
      "crash after the vote, and the next instance has to ask; aborted",
      "replaced by another instance after the vote; aborted",
      "crash on the outcome, before it is applied; aborted",
      "crash on the outcome, once it is applied; aborted",
      "crash after the acknowledgement; aborted",
      "every message twice; aborted",
      "one-shot, no crash",
      "one-shot, crash in the operation, after statement 2; run again",
      "one-shot, crash after the operation; run again",
      "one-shot, crash before it is durable; run again",
      "one-shot, crash once it is durable",
      "one-shot, every message twice",
      "one-shot, refused by another participant",
      "alone, no crash",
      "alone, crash after the answer, before the commit",
      "alone, crash in the commit, before it is durable",
      "alone, crash in the commit, once it is durable",
      "alone, crash after the commit",
      "alone, every message twice",
      "alone as a one-shot, no crash",
      "alone as a one-shot, crash in the operation, after statement 2; run again",
      "alone as a one-shot, crash before it is durable; run again",
      "alone as a one-shot, crash once it is durable",
      "alone as a one-shot, every message twice",
      "refused by another participant",
      "given up by the client, then run again",
      "call and prepare again after the abort",
      "the abort overtakes the call",
      "out of time in the operation",
      "statement 1 fails (add anna)",
      "statement 2 fails (put debit anna)",
      "two at the same time",
    ]
  `)
})

test('a connection that an operation opens is seen, though nothing comes of it', async () => {
  const server = createServer((socket) => socket.end())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const report = await tryBank(() => async (input, context, database) => {
    await once(connect(port, '127.0.0.1').resume(), 'close')
    return rightly(input, context, database)
  })
  expect(report.faults.map(({ sentence }) => sentence)).toEqual([
    "'debit' begins a connection of its own while it runs: no abort takes back what it does there, and every further run does it again.",
  ])
  server.close()
})

test('a request is told with its host', async () => {
  const server = createHttpServer((_, response) => response.end('{}'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const report = await tryBank(() => async (input, context, database) => {
    await (await fetch(url)).json()
    return rightly(input, context, database)
  })
  expect(report.faults.map(({ sentence }) => sentence)).toEqual([
    `'debit' begins a request to ${url} while it runs: no abort takes back what it does there, and every further run does it again.`,
  ])
  server.close()
})

test('what is accepted is shown and does not fail the test', async () => {
  let sequence = 0
  const numbered: Debiting = async (input, context, database) => {
    await rightly(input, context, database)
    sequence += 1
    return { receipt: sequence }
  }
  const report = await tryBank(() => numbered, { accept: ['varies'] })
  report.assert()
  expect(String(report)).toContain('accepted  no crash: ')
})

test('statements behind the limit are named as not tried', async () => {
  const report = await tryBank(() => async ({ account }, { table }) => {
    for (let n = 0; n < 18; n += 1) await table.add(account, -1)
  })
  report.assert()
  expect(report.lines.at(-1)?.point).toBe('statements after the first 16: not tried (2)')
})

test('an operation that only reads is tried too, where that is meant so', async () => {
  const reads: Debiting = ({ account }, { table }) => table.get(account)
  const report = await tryBank(() => reads, { accept: ['unseen'] })
  report.assert()
  const missed = report.lines.filter(({ point }) => point.endsWith('(not reached)'))
  expect(missed.map(({ point }) => point)).toEqual([
    'crash on the outcome, before it is applied; committed (not reached)',
    'crash on the outcome, once it is applied; committed (not reached)',
    'crash on the outcome, before it is applied; aborted (not reached)',
    'crash on the outcome, once it is applied; aborted (not reached)',
  ])
})
