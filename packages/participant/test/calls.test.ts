import { decodePayload, forbidNested, maxPayloadBytes, ownerName } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { calledList, id, idOf, me, nonceOf, payloadOf, tokenOf } from './names.ts'
import { inbox, of, Stage } from './stage.ts'

const refusedAs = (code: string) =>
  expect.objectContaining({ kind: 'refused', reason: expect.objectContaining({ code }) })
const busy = { kind: 'busy' }
const value = (of: unknown) => ({ kind: 'value', value: payloadOf(of) })

describe('a first call', () => {
  test('opens a branch and is answered with its value, instance and token', async () => {
    const stage = await Stage.set()
    stage.call({ operation: 'write' }, { value: 'a' })
    await stage.settle()
    expect(stage.answers).toMatchObject([
      { message: { type: 'result', id, n: 1, instance: stage.instance(), result: value({ wrote: 'a' }) } },
    ])
    expect(stage.store.open.size).toBe(1)
  })

  test('doubled, runs once and is answered each time', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    stage.call({ operation: 'write' }, { value: 'a' })
    await stage.settle()
    expect(stage.results).toEqual([value({ wrote: 'a' }), value({ wrote: 'a' })])
    expect(stage.answers.map(({ message }) => 'token' in message && message.token)).toEqual([token, token])
    expect(stage.store.log.filter((method) => method === 'open')).toHaveLength(1)
  })

  test('doubled while it runs, is joined: one run', async () => {
    const stage = await Stage.set()
    stage.call({ operation: 'gated' }, { gate: 'g' })
    stage.call({ operation: 'gated' }, { gate: 'g' })
    await stage.settle()
    stage.gates.open('g')
    await stage.settle()
    expect(stage.gates.entered).toEqual(['g'])
    expect(stage.results).toEqual([value('g')])
  })

  test('of another run of the same id is told busy while the branch is open, prepared and ended', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    const list = calledList(stage.instance(), token, 1)
    const another = async (): Promise<void> => {
      stage.call({ operation: 'write', nonce: nonceOf(2) }, { value: 'b' })
      await stage.settle()
    }
    await another()
    stage.prepare(list)
    await stage.settle()
    await another()
    stage.outcome('committed', list, token)
    await stage.settle()
    await another()
    expect(stage.results.slice(1)).toEqual([busy, busy, busy])
    expect(stage.store.effects).toEqual(['a'])
  })

  test('a second opening is another one: its token and its calls are not those of the first (attack 8)', async () => {
    const stage = await Stage.set({ idleMs: 100 })
    const first = await stage.opened('a')
    await stage.settle(200)
    const second = await stage.opened('b', { nonce: nonceOf(2) })
    expect(second).not.toBe(first)
    stage.prepare(calledList(stage.instance(), first, 1), { to: stage.instance() })
    await stage.settle()
    expect(stage.said('vote').map(({ vote }) => vote)).toEqual([refusedAs('unknown-branch')])
    expect(stage.store.open.size).toBe(1)
  })

  test('beyond the capacity waits in vain, is refused, retryable, and nothing is opened', async () => {
    const stage = await Stage.set({ lockTimeoutMs: 500 })
    await stage.filled()
    stage.call({ operation: 'write', id: idOf(100) }, { value: 'b' })
    await stage.settle()
    expect(stage.store.open.size).toBe(stage.store.capacity)
    await stage.settle(500)
    expect(stage.results.at(-1)).toMatchObject({ kind: 'refused', reason: { code: 'overloaded', retryable: true } })
    expect(stage.store.open.size).toBe(stage.store.capacity)
  })

  test('that the resource has no room for is refused with its reason', async () => {
    const stage = await Stage.set()
    stage.store.script('open', new Error('no connection'))
    stage.call({ operation: 'write' }, { value: 'b' })
    await stage.settle()
    expect(stage.results).toEqual([refusedAs('resource-refused')])
    await stage.opened('b', { nonce: nonceOf(2) })
  })
})

describe('a later call', () => {
  test('runs at its instance, in order; a doubled one gets the kept result; gaps and wrong tokens are refused', async () => {
    const stage = await Stage.set({}, 2)
    const token = await stage.opened('a')
    const at =
      stage.answers.flatMap(({ message }) => (message.type === 'result' ? [message.instance] : []))[0] ??
      stage.instance()
    stage.call({ operation: 'write', n: 2, token }, { value: 'b' }, at)
    stage.call({ operation: 'write', n: 2, token }, { value: 'b' }, at)
    stage.call({ operation: 'write', n: 4, token }, { value: 'd' }, at)
    stage.call({ operation: 'write', n: 3, token: tokenOf(9) }, { value: 'c' }, at)
    await stage.settle()
    const b = value({ wrote: 'b' })
    expect(stage.results.slice(1)).toEqual(
      expect.arrayContaining([b, refusedAs('unknown-branch'), refusedAs('unknown-branch')]),
    )
    stage.prepare(calledList(at, token, 2), { to: at })
    await stage.settle()
    stage.outcome('committed', calledList(at, token, 2), token, { to: at })
    await stage.settle()
    expect(stage.store.effects).toEqual(['a', 'b'])
  })

  test('at an instance that does not have the branch is refused', async () => {
    const stage = await Stage.set()
    stage.call({ operation: 'write', n: 2, token: tokenOf(1) }, { value: 'b' }, stage.instance())
    await stage.settle()
    expect(stage.results).toEqual([refusedAs('unknown-branch')])
  })
})

describe('a call that fails', () => {
  test.each([
    [
      'refuse',
      { code: 'insufficient-funds' },
      { code: 'insufficient-funds', message: 'insufficient-funds {"account":"a"}', retryable: false },
    ],
    ['refuse', { code: 'again' }, { code: 'again', retryable: true }],
    [
      'fail',
      { message: 'oops' },
      { code: 'operation-failed', message: 'payments.fail failed: Error: oops', retryable: false },
    ],
    ['fail', { message: 'lock' }, { code: 'lock-timeout', retryable: true }],
    ['write', { value: 3 }, { code: 'invalid-input', message: expect.stringContaining('value: ') }],
    ['large', { bytes: maxPayloadBytes + 1 }, { code: 'payload-too-large' }],
    ['unheard-of', {}, { code: 'unknown-operation', message: expect.stringContaining('write, read') }],
    ['toString', {}, { code: 'unknown-operation' }],
  ])('%s of %j is refused, and the branch is rolled back at once', async (operation, input, reason) => {
    const stage = await Stage.set()
    stage.call({ operation }, input)
    await stage.settle()
    expect(stage.results).toMatchObject([{ kind: 'refused', reason: { ...reason, participant: me } }])
    expect(stage.store.open.size).toBe(0)
  })

  test('and is doubled gets the same answer: it does not run again', async () => {
    const stage = await Stage.set()
    for (let n = 0; n < 2; n += 1) {
      stage.call({ operation: 'refuse' }, { code: 'sold-out' })
      await stage.settle()
    }
    expect(stage.results).toEqual([refusedAs('sold-out'), refusedAs('sold-out')])
    expect(stage.store.log.filter((method) => method === 'open')).toHaveLength(1)
  })

  test('of an open branch drops what was written before it', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    stage.call({ operation: 'fail', n: 2, token }, { message: 'oops' }, stage.instance())
    await stage.settle()
    expect(stage.store.open.size).toBe(0)
    stage.prepare(calledList(stage.instance(), token, 1), { to: stage.instance() })
    await stage.settle()
    expect(stage.said('vote')).toMatchObject([{ vote: { kind: 'refused' } }])
  })
})

describe('time', () => {
  test('over for a call aborts its signal, and a while later its branch, though it never returns', async () => {
    const stage = await Stage.set({ graceMs: 500 })
    stage.call({ operation: 'gated', leftMs: 100 }, { gate: 'never' })
    await stage.settle(110)
    expect(stage.gates.signals.map(({ aborted }) => aborted)).toEqual([true])
    expect(stage.store.open.size).toBe(1)
    await stage.settle(500)
    expect(stage.store.open.size).toBe(0)
    expect(stage.results).toEqual([refusedAs('budget-spent')])
    stage.gates.open('never')
    await stage.settle()
    expect(stage.count('failed')).toBe(0)
  })

  test('without a call ends an open branch', async () => {
    const stage = await Stage.set({ idleMs: 1_000 })
    await stage.opened()
    await stage.settle(900)
    expect(stage.store.open.size).toBe(1)
    await stage.settle(200)
    expect(stage.store.open.size).toBe(0)
  })

  test('a release ends it at once, and tells a call that runs', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    stage.call({ operation: 'gated', n: 2, token }, { gate: 'never' }, stage.instance())
    await stage.settle()
    expect(stage.gates.signals.map(({ aborted }) => aborted)).toEqual([false])
    stage.send(of.call(me, stage.instance(), ownerName('checkout')), { type: 'release', id, token })
    await stage.settle()
    expect(stage.store.open.size).toBe(0)
    expect(stage.gates.signals.map(({ aborted }) => aborted)).toEqual([true])
  })
})

describe('inside an operation', () => {
  test('a transaction cannot be begun: the call is refused as nested', async () => {
    const stage = await Stage.set()
    stage.gates.wait = async () => forbidNested('a call to inventory.reserve')
    stage.call({ operation: 'gated' }, { gate: 'g' })
    await stage.settle()
    expect(stage.results).toEqual([refusedAs('nested-call')])
    expect(() => forbidNested('a call')).not.toThrow()
  })
})

test('values travel as they were returned', async () => {
  const stage = await Stage.set()
  await stage.opened('a')
  const [result] = stage.results
  expect(result?.kind === 'value' && decodePayload(result.value, 'the value')).toEqual({ wrote: 'a' })
  expect(inbox).toContain('checkout')
})
