import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PayloadTooLargeError } from '@verdict/runtime'
import { beforeEach, expect, test } from 'vitest'
import { MemoryBus } from '../src/memory-bus.ts'

let bus: MemoryBus
let heard: string[]

const hear = (filter: string, name = filter, queue?: string) =>
  bus.subscribe(filter, ({ subject }) => heard.push(`${name} ${subject}`), queue === undefined ? {} : { queue })

beforeEach(() => {
  bus = new MemoryBus()
  heard = []
})

test.each([
  ['a.b', 'a.b', true],
  ['a.b', 'a.b.c', false],
  ['a.*', 'a.b', true],
  ['a.*', 'a.b.c', false],
  ['*.b', 'a.c', false],
  ['a.>', 'a.b.c', true],
  ['a.>', 'a', false],
])('a subscription to %s and a message for %s: %j', async (filter, subject, isHeard) => {
  hear(filter)
  bus.publish(subject, new Uint8Array())
  await bus.flush()
  expect(heard.length === 1).toBe(isHeard)
})

test('everybody hears a message, but only one of each queue group, in turn', async () => {
  hear('a', 'one')
  hear('a', 'two', 'group')
  hear('a', 'three', 'group')
  bus.publish('a', new Uint8Array())
  bus.publish('a', new Uint8Array())
  await bus.flush()
  expect(heard.toSorted()).toEqual(['one a', 'one a', 'three a', 'two a'])
})

test('messages come later and in order, with bytes that are nobody else’s', async () => {
  const seen: number[] = []
  bus.subscribe('a', ({ payload }) => {
    seen.push(payload[0] ?? 0)
    payload.fill(0)
  })
  const bytes = Uint8Array.of(1)
  bus.publish('a', bytes)
  bytes[0] = 2
  bus.publish('a', bytes)
  expect(seen).toEqual([])
  await bus.flush()
  expect(seen).toEqual([1, 2])
  expect(bytes[0]).toBe(2)
})

test('nobody there is said, and only then', async () => {
  hear('a')
  const unheard: string[] = []
  for (const subject of ['a', 'b']) {
    bus.publish(subject, new Uint8Array(), { replyTo: 'r', onNoResponders: () => unheard.push(subject) })
  }
  await bus.flush()
  expect(unheard).toEqual(['b'])
})

test('what is too large is refused, and nothing is heard after unsubscribe or close', async () => {
  expect(() => bus.publish('a', new Uint8Array(bus.maxPayloadBytes + 1))).toThrow(PayloadTooLargeError)
  hear('a').unsubscribe()
  hear('a', 'closed')
  bus.publish('a', new Uint8Array())
  await bus.close()
  bus.publish('a', new Uint8Array())
  await nextTurn()
  expect(heard).toEqual(['closed a'])
  await expect(bus.flush()).rejects.toThrow('closed')
})

test('a handler runs in the context in which it subscribed, whoever publishes', async () => {
  const local = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  local.run('subscriber', () => bus.subscribe('a', () => seen.push(local.getStore())))
  bus.subscribe('a', () => seen.push(local.getStore()))
  local.run('publisher', () => {
    bus.publish('a', new Uint8Array())
    bus.publish('nobody', new Uint8Array(), { replyTo: 'x', onNoResponders: () => seen.push(local.getStore()) })
  })
  await bus.flush()
  expect(seen).toEqual(['subscriber', undefined, 'publisher'])
})
