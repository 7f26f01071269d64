import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import { connectNats, type NatsBus, NatsConnectionError, type NatsStatus } from '@verdict/runtime'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type NatsServer, startNats } from '../../../infra/nats.ts'
import { bytes, describeBus, text } from './bus-contract.ts'
import { until } from './patience.ts'

let server: NatsServer
let opened: { close(): Promise<void> }[] = []

beforeAll(async () => {
  server = await startNats()
})

afterAll(() => server.stop())

afterEach(async () => {
  await Promise.all(opened.map((connection) => connection.close()))
  opened = []
})

async function open(name: string, onStatus?: (status: NatsStatus) => void): Promise<NatsBus> {
  const bus = await connectNats({ servers: server.url, name, ...(onStatus && { onStatus }) })
  opened.push(bus)
  return bus
}

/** A connection that sees, and says, what really travels. */
async function wire(): Promise<NatsConnection> {
  const connection = await connect({ servers: server.url })
  opened.push(connection)
  return connection
}

/** Sizes of the NATS messages that pass on a subject, and their reply subjects. */
async function spy(filter: string): Promise<{ bytes: number; reply: string | undefined }[]> {
  const connection = await wire()
  const seen: { bytes: number; reply: string | undefined }[] = []
  connection.subscribe(filter, {
    callback: (_, { data, reply }) => void seen.push({ bytes: data.length, reply: reply || undefined }),
  })
  await connection.flush()
  return seen
}

describeBus('the NATS bus', async () => ({
  open,
  until,
  settled: async (promise) => {
    await promise
  },
  async [Symbol.asyncDispose]() {},
}))

describe('messages of one turn', () => {
  test('travel as one NATS message for each subject and reply subject', async () => {
    const bus = await open('alice')
    const seen = await spy('a.*')
    for (const word of ['one', 'two', 'three']) {
      bus.publish('a.x', bytes(word))
      bus.publish('a.y', bytes(word), { replyTo: 'inbox' })
    }
    await bus.flush()
    bus.publish('a.x', bytes('next turn'))
    await until(() => seen.length === 3)
    const sizeOfThree = 2 + 3 * 4 + 'onetwothree'.length
    expect(seen).toEqual([
      { bytes: sizeOfThree, reply: undefined },
      { bytes: sizeOfThree, reply: 'inbox' },
      { bytes: 2 + 4 + 'next turn'.length, reply: undefined },
    ])
  })

  test('are split so that no NATS message is larger than the server takes', async () => {
    const bus = await open('alice')
    const seen = await spy('a')
    for (let count = 0; count < 40; count++) bus.publish('a', new Uint8Array(100_000))
    await until(() => seen.length === 4)
    expect(Math.max(...seen.map((message) => message.bytes))).toBeLessThanOrEqual(1024 * 1024)
    expect(bus.counters).toMatchObject({ shedOutgoing: 0, lostWhileDisconnected: 0 })
  })
})

test('each NATS message that asks for "no responders" has a reply subject of its own', async () => {
  const bus = await open('alice')
  const seen = await spy('a')
  for (const word of ['one', 'two']) {
    bus.publish('a', bytes(word), { replyTo: 'inbox.alice', onNoResponders: () => expect.unreachable() })
    await bus.flush()
  }
  await until(() => seen.length === 2)
  expect(seen.map(({ reply }) => reply)).toEqual(['inbox.alice.1', 'inbox.alice.2'])
})

test('a word of "no responders" that nobody waits for, or that is none, calls nobody', async () => {
  const bus = await open('alice')
  const told: string[] = []
  const ask = (): void =>
    bus.publish('nobody', bytes('?'), { replyTo: 'inbox.alice', onNoResponders: () => told.push('nobody') })
  ask()
  await until(() => told.length === 1)
  const raw = await wire()
  for (const token of ['1', '77', 'x']) {
    raw.publish(`inbox.alice.${token}`, new Uint8Array(0), { headers: headers(503, 'No Responders') })
    raw.publish(`inbox.alice.${token}`, bytes('no frame'))
  }
  await raw.flush()
  ask()
  await until(() => told.length === 2)
  await bus.flush()
  expect(told).toEqual(['nobody', 'nobody'])
})

test('what is no frame, or one of a later version, is counted and harms nobody', async () => {
  const bus = await open('bob')
  const raw = await wire()
  const heard: string[] = []
  bus.subscribe('a', ({ payload }) => heard.push(text(payload)))
  await bus.flush()
  const frames = [
    [],
    [1],
    [1, 0],
    [2, 0, 0, 0, 0, 1, 65],
    [1, 2, 0, 0, 0, 1, 65],
    [1, 0, 0, 0, 0, 2, 65],
    [1, 0, 255, 255, 255, 255, 65],
    [1, 0, 0, 0, 0, 1, 65, 0],
    [1, 1, 0, 0, 0, 1, 65], // says that its reply subject is counted, and has none
  ]
  for (const frame of frames) raw.publish('a', Uint8Array.from(frame))
  raw.publish('a', Uint8Array.from([1, 0, 0, 0, 0, 1, 65]), { reply: 'inbox.*' })
  raw.publish('a', Uint8Array.from([1, 0, 0, 0, 0, 1, 66]))
  await until(() => heard.length > 0)
  expect(heard).toEqual(['B'])
  expect(bus.counters.malformed).toBe(frames.length + 1)
})

test('a turn has a bounded number of messages, so that timers run under a flood, and none is lost below the limits', async () => {
  const bus = await open('bob')
  const flooder = await open('mallory')
  let [heard, thisTurn, longestTurn] = [0, 0, 0]
  bus.subscribe('a', () => {
    heard++
    longestTurn = Math.max(longestTurn, ++thisTurn)
  })
  await bus.flush()
  const count = 50_000
  for (let number = 0; number < count; number++) flooder.publish('a', bytes('x'))
  const endTurn = (): void => {
    thisTurn = 0
    if (heard < count) setImmediate(endTurn)
  }
  endTurn()
  await until(() => heard === count)
  expect(longestTurn).toBeLessThanOrEqual(2 * 256)
  expect(bus.counters.shedIncoming).toBe(0)
})

test('beyond the limit of what may wait the newest messages are dropped and counted', async () => {
  const bus = await open('bob')
  const raw = await wire()
  const heard: number[] = []
  bus.subscribe('a', ({ payload }) => heard.push(payload[0] ?? -1))
  bus.subscribe('end', () => heard.push(-1))
  await bus.flush()
  const frame = (number: number): Uint8Array =>
    Uint8Array.from([1, 0, ...Array.from({ length: 4096 }, () => [0, 0, 0, 1, number]).flat()])
  const frames = Array.from({ length: 40 }, (_, number) => frame(number))
  for (const bytesOfFrame of frames) raw.publish('a', bytesOfFrame)
  await raw.flush()
  await until(() => heard.length + bus.counters.shedIncoming === 40 * 4096)
  expect(bus.counters.shedIncoming).toBeGreaterThan(0)
  expect(heard).toEqual(heard.toSorted((one, other) => one - other))
  raw.publish('end', Uint8Array.from([1, 0, 0, 0, 0, 0]))
  await until(() => heard.at(-1) === -1)
})

test('outgoing messages are dropped and counted when more wait than the server takes', async () => {
  const bus = await open('alice')
  const payload = new Uint8Array(bus.maxPayloadBytes)
  for (let count = 0; count < 70; count++) bus.publish('a', payload)
  expect(bus.counters.shedOutgoing).toBeGreaterThanOrEqual(6)
  await bus.flush()
  await until(() => {
    const before = bus.counters.shedOutgoing
    bus.publish('a', payload)
    return bus.counters.shedOutgoing === before
  })
})

test('a handler that throws stops the process: nothing goes on with a broken invariant', async () => {
  const program = `
    import { connectNats } from '@verdict/runtime'
    const bus = await connectNats({ servers: '${server.url}', name: 'alice' })
    bus.subscribe('a', () => { throw new Error('broken invariant') })
    bus.publish('a', new Uint8Array(1))`
  const args = ['--conditions=@verdict/source', '--input-type=module', '--eval', program]
  const run = promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname })
  await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('Error: broken invariant') })
})

describe.skipIf(process.env['NATS_URL'])('when the server goes away', () => {
  test('messages are lost and counted, and after its return all subscriptions hear again', async () => {
    const status: NatsStatus['kind'][] = []
    const [alice, bob] = [await open('alice', ({ kind }) => status.push(kind)), await open('bob')]
    const heard: string[] = []
    bob.subscribe('a', ({ payload }) => heard.push(text(payload)))
    await bob.flush()
    await server.kill()
    await until(() => status.includes('disconnected'))
    alice.publish('a', bytes('lost'))
    bob.subscribe('b', ({ payload }) => heard.push(text(payload)))
    expect(alice.counters.lostWhileDisconnected).toBe(1)
    const flushed = Promise.all([alice.flush(), bob.flush()])
    await server.restart()
    await flushed
    alice.publish('a', bytes('found'))
    alice.publish('b', bytes('new'))
    await until(() => heard.length === 2)
    expect(heard).toEqual(['found', 'new'])
    expect(alice.counters.reconnects).toBe(1)
    expect(status.filter((kind) => kind !== 'error')).toEqual(['disconnected', 'reconnected'])
  })

  test('a bus tries to reconnect for as long as it takes', async () => {
    const bus = await open('alice')
    await server.kill()
    let attempts = 0
    const deaf = createServer((socket) => {
      attempts++
      socket.destroy()
    })
    await once(deaf.listen(Number(new URL(server.url).port), '127.0.0.1'), 'listening')
    await until(() => attempts > 10) // after as many the client would give up of itself
    await new Promise((resolve) => deaf.close(resolve))
    await server.restart()
    await bus.flush()
  })

  test('a bus can be closed, and then keeps silent', async () => {
    const status: NatsStatus['kind'][] = []
    const bus = await open('alice', ({ kind }) => status.push(kind))
    await server.kill()
    await until(() => status.includes('disconnected'))
    const flushed = bus.flush()
    const failed = expect(flushed).rejects.toThrow('The bus is closed')
    await bus.close()
    await failed
    await until(() => status.includes('closed'))
    await server.restart()
  })

  test('connecting fails, unless it was asked to wait', async () => {
    await server.kill()
    await expect(connectNats({ servers: server.url, name: 'alice' })).rejects.toThrow(NatsConnectionError)
    await expect(connectNats({ servers: server.url, name: 'alice' })).rejects.toThrow(server.url)
    const waiting = connectNats({ servers: server.url, name: 'alice', waitOnFirstConnect: true })
    await server.restart()
    opened.push(await waiting)
  })
})
