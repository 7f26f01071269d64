import { digestOf } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { calledList, idOf, oneShotList, tokenOf } from './names.ts'
import { Stage, writing } from './stage.ts'

const settings = { drainMs: 2_000, idleMs: 60_000 }

describe('an instance that stops', () => {
  test('without work stops at once, and closes its resource', async () => {
    const stage = await Stage.set(settings)
    const stopped = track(stage.servings[0]?.stop())
    await stage.settle()
    expect(stopped.done).toBe(true)
    expect(stage.store.log.at(-1)).toBe('stop')
  })

  test('lets an open branch be called, prepared and committed, then stops', async () => {
    const stage = await Stage.set(settings)
    const token = await stage.opened('a')
    const stopped = track(stage.servings[0]?.stop())
    const list = calledList(stage.instance(), token, 2)
    stage.call({ operation: 'write', n: 2, token }, { value: 'b' }, stage.instance())
    await stage.settle()
    stage.prepare(list, { to: stage.instance() })
    await stage.settle()
    expect(stopped.done).toBe(false)
    stage.outcome('committed', list, token, { to: stage.instance() })
    await stage.settle()
    expect(stage.store.effects).toEqual(['a', 'b'])
    expect(stage.said('ack')).toHaveLength(1)
    expect(stopped.done).toBe(true)
  })

  test('takes nothing new: another instance does', async () => {
    const stage = await Stage.set(settings)
    await stage.opened('a')
    await stage.start('payments-2')
    const stopped = track(stage.servings[0]?.stop())
    for (let n = 2; n <= 5; n += 1) await stage.opened('b', { id: idOf(n) })
    const instances = stage.answers.slice(1).map(({ message }) => 'instance' in message && message.instance)
    expect(new Set(instances)).toEqual(new Set([stage.instance(2)]))
    expect(stopped.done).toBe(false)
  })

  test('rolls back what is still open after a bound, and leaves what is prepared', async () => {
    const stage = await Stage.set(settings)
    const token = await stage.opened('a')
    const list = calledList(stage.instance(), token, 1)
    stage.prepare(list, { to: stage.instance() })
    await stage.settle()
    stage.call({ operation: 'gated', id: idOf(2), leftMs: 60_000 }, { gate: 'never' })
    await stage.settle()
    const stopped = track(stage.servings[0]?.stop())
    await stage.settle(1_900)
    expect(stopped.done).toBe(false)
    await stage.settle(200)
    expect(stopped.done).toBe(true)
    expect(stage.store.open.size).toBe(0)
    expect(stage.store.prepared.size).toBe(1)
    expect(stage.results.at(-1)).toMatchObject({ kind: 'refused', reason: { code: 'draining', retryable: true } })
  })

  test('waits for a branch that was given up while it was opened, and rolls it back first', async () => {
    const stage = await Stage.set(settings)
    const open = stage.store.hold('open')
    stage.call({ operation: 'write' }, { value: 'a' })
    await stage.settle()
    stage.outcome('aborted', calledList(stage.instance(), tokenOf(1), 1), undefined)
    await stage.settle()
    const stopped = track(stage.servings[0]?.stop())
    await stage.settle()
    expect(stopped.done).toBe(false)
    open()
    await stage.settle()
    expect(stopped.done).toBe(true)
    expect(stage.store.log.slice(-2)).toEqual(['rollback', 'stop'])
  })

  test('is silent afterwards: no timer of it asks or sweeps', async () => {
    const stage = await Stage.set(settings)
    const token = await stage.opened('a')
    stage.prepare(calledList(stage.instance(), token, 1), { to: stage.instance() })
    await stage.settle()
    const stopped = track(stage.servings[0]?.stop())
    await stage.settle(2_100)
    expect(stopped.done).toBe(true)
    const { length } = stage.store.log
    const said = stage.words.length
    await stage.settle(60_000)
    expect(stage.store.log).toHaveLength(length)
    expect(stage.words).toHaveLength(said)
  })

  test('stops once, however often it is asked', async () => {
    const stage = await Stage.set(settings)
    const all = [track(stage.servings[0]?.stop()), track(stage.servings[0]?.[Symbol.asyncDispose]())]
    await stage.settle()
    expect(all.map(({ done }) => done)).toEqual([true, true])
    expect(stage.store.log.filter((method) => method === 'stop')).toHaveLength(1)
  })
})

test('a one-shot that still reaches it is refused as draining, retryable, unless it is prepared here already', async () => {
  const stage = await Stage.set(settings)
  await stage.opened('a')
  const stopped = track(stage.servings[0]?.stop())
  const operations = [writing('b')]
  const list = oneShotList(operations)
  stage.prepare(list, { operations, id: idOf(2), to: stage.instance() })
  await stage.settle()
  const shown = {
    id: idOf(3),
    digest: digestOf(idOf(3), list),
    token: tokenOf(7),
    writes: ['b'],
    history: 'same',
  } as const
  stage.store.prepared.set(idOf(3), shown)
  stage.prepare(list, { operations, id: idOf(3), to: stage.instance() })
  await stage.settle()
  expect(stage.said('vote').map(({ vote }) => vote)).toMatchObject([
    { kind: 'refused', reason: { code: 'draining', retryable: true } },
    { kind: 'prepared', token: tokenOf(7) },
  ])
  expect(stage.store.open.size).toBe(1)
  expect(stopped.done).toBe(false)
})

function track(promise: PromiseLike<void> | undefined): { done: boolean } {
  const state = { done: false }
  void promise?.then(() => {
    state.done = true
  })
  return state
}
