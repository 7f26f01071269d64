import { type BranchList, digestOf, type Operation, type Token } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { calledList, id, idOf, instanceOf, oneShotList, otherGroup, payloadOf, tokenOf } from './names.ts'
import { Stage, writing } from './stage.ts'

interface Prepared {
  readonly stage: Stage
  readonly list: BranchList
  readonly token: Token
}

async function prepared(instances = 1, settings = {}): Promise<Prepared> {
  const stage = await Stage.set(settings, instances)
  const token = await stage.opened()
  const at =
    stage.answers.flatMap(({ message }) => (message.type === 'result' ? [message.instance] : []))[0] ?? instanceOf(1)
  const list = calledList(at, token, 1)
  stage.prepare(list, { to: at })
  await stage.settle()
  return { stage, list, token }
}

const list = calledList(instanceOf(5), tokenOf(5), 1)

describe('committed', () => {
  test('makes the effects final, and is acknowledged once that is durable', async () => {
    const { stage, list, token } = await prepared()
    const release = stage.store.hold('finish')
    stage.outcome('committed', list, token)
    await stage.settle()
    expect(stage.said('ack')).toEqual([])
    release()
    await stage.settle()
    expect(stage.store.effects).toEqual(['a'])
    expect(stage.said('ack')).toEqual([
      { type: 'ack', id, digest: digestOf(id, list), instance: stage.instance(), applied: 'committed' },
    ])
    expect(stage.store.log).not.toContain('look')
  })

  test('told twice is applied once and acknowledged twice', async () => {
    const { stage, list, token } = await prepared()
    for (let n = 0; n < 2; n += 1) {
      stage.outcome('committed', list, token)
      await stage.settle()
    }
    expect(stage.store.effects).toEqual(['a'])
    expect(stage.said('ack')).toHaveLength(2)
  })

  test('told to another instance is applied there (attack 15)', async () => {
    const { stage, list, token } = await prepared(2)
    const [named] = list
    const other =
      named?.kind === 'called' && named.instance === stage.instance(1) ? stage.instance(2) : stage.instance(1)
    stage.outcome('committed', list, token, { to: other })
    await stage.settle()
    expect(stage.store.effects).toEqual(['a'])
    expect(stage.said('ack')).toMatchObject([{ instance: other }])
  })

  test('carries the values of a one-shot', async () => {
    const operations: readonly Operation[] = [writing('a')]
    const oneShot = oneShotList(operations)
    const stage = await Stage.set()
    stage.prepare(oneShot, { operations })
    await stage.settle()
    const token = stage.store.prepared.get(id)?.token
    for (let n = 0; n < 2; n += 1) {
      stage.outcome('committed', oneShot, token)
      await stage.settle()
    }
    const results = [payloadOf({ wrote: 'a' })]
    expect(stage.said('ack')).toMatchObject([{ results }, { results }])
  })

  test('for what is not there is a hazard: no tombstone, no acknowledgement (attack 7)', async () => {
    const stage = await Stage.set()
    stage.outcome('committed', list, tokenOf(5))
    await stage.settle()
    expect(stage.said('hazard')).toMatchObject([{ id, digest: digestOf(id, list), kind: 'effects-lost' }])
    expect(stage.said('ack')).toEqual([])
    expect(stage.store.rows.size).toBe(0)
  })

  test('for an open branch is a hazard, and the branch is left to its client', async () => {
    const stage = await Stage.set()
    await stage.opened()
    stage.outcome('committed', list, tokenOf(5))
    await stage.settle()
    expect(stage.said('hazard')).toMatchObject([{ kind: 'effects-lost' }])
    expect(stage.store.open.size).toBe(1)
  })

  test.each([
    ['another token', list, () => tokenOf(9)],
    ['another digest', calledList(instanceOf(9), tokenOf(9), 1), (token: Token) => token],
  ])('under %s is a hazard, and the prepared branch is kept', async (_, told, tokenFor) => {
    const { stage, list: own, token } = await prepared()
    stage.outcome('committed', told === list ? own : told, tokenFor(token))
    await stage.settle()
    expect(stage.said('hazard')).toMatchObject([{ kind: 'other-branch-prepared' }])
    expect(stage.said('ack')).toEqual([])
    expect(stage.store.prepared.size).toBe(1)
  })

  test('for what was aborted is a hazard', async () => {
    const stage = await Stage.set()
    stage.store.rows.set(id, { state: 'aborted' })
    stage.outcome('committed', list, tokenOf(5))
    await stage.settle()
    expect(stage.said('hazard')).toMatchObject([{ kind: 'committed-met-aborted' }])
    expect(stage.said('ack')).toEqual([])
  })
})

describe('aborted', () => {
  test('takes the effects back, and is acknowledged once that is durable', async () => {
    const { stage, list, token } = await prepared()
    stage.outcome('aborted', list, token)
    await stage.settle()
    expect(stage.store.effects).toEqual([])
    expect(stage.store.rows.get(id)).toEqual({ state: 'aborted' })
    expect(stage.said('ack')).toMatchObject([{ applied: 'aborted' }])
  })

  test('for what is not there leaves a tombstone, and is acknowledged after it', async () => {
    const stage = await Stage.set()
    const release = stage.store.hold('tombstone')
    stage.outcome('aborted', list, undefined)
    await stage.settle()
    expect(stage.said('ack')).toEqual([])
    release()
    await stage.settle()
    expect(stage.store.rows.get(id)).toEqual({ state: 'aborted' })
    expect(stage.said('ack')).toMatchObject([{ applied: 'aborted' }])
  })

  test('drops an open branch before the tombstone is there', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    stage.store.hold('tombstone')
    stage.outcome('aborted', calledList(stage.instance(), token, 1), token)
    await stage.settle()
    expect(stage.store.open.size).toBe(0)
    expect(stage.said('ack')).toEqual([])
  })

  test('drops an open branch, and nothing of the id is opened again', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    stage.outcome('aborted', calledList(stage.instance(), token, 1), token)
    await stage.settle()
    expect(stage.store.open.size).toBe(0)
    expect(stage.said('ack')).toMatchObject([{ applied: 'aborted' }])
    stage.call({ operation: 'write' }, { value: 'late' })
    await stage.settle()
    expect(stage.results.at(-1)).toEqual({ kind: 'busy' })
  })

  test('while the branch is being prepared waits for that, then ends it', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    const own = calledList(stage.instance(), token, 1)
    const release = stage.store.hold('prepare')
    stage.prepare(own, { to: stage.instance() })
    await stage.settle()
    stage.outcome('aborted', own, token)
    await stage.settle()
    expect(stage.said('ack')).toEqual([])
    expect(stage.store.rows.size).toBe(0)
    release()
    await stage.settle(1_000)
    expect(stage.store.rows.get(id)).toEqual({ state: 'aborted' })
    expect(stage.said('ack')).toHaveLength(1)
  })

  test('for what was committed is a hazard, and is not acknowledged', async () => {
    const stage = await Stage.set()
    stage.store.rows.set(id, { state: 'committed', mode: 'logged', digest: digestOf(id, list), token: tokenOf(5) })
    stage.outcome('aborted', list, undefined)
    await stage.settle()
    expect(stage.said('hazard')).toMatchObject([{ kind: 'aborted-met-committed' }])
    expect(stage.said('ack')).toEqual([])
  })

  test('of another list leaves the prepared branch alone', async () => {
    const { stage } = await prepared()
    stage.outcome('aborted', list, undefined)
    await stage.settle()
    expect(stage.store.prepared.size).toBe(1)
    expect(stage.said('ack')).toEqual([])
    expect(stage.count('ignored')).toBe(1)
  })
})

describe('what cannot be applied now', () => {
  test('is tried again for ever, with pauses that grow, and acknowledged in the end', async () => {
    const { stage, list, token } = await prepared(1, { retryMs: 50, maxRetryMs: 1_000 })
    stage.store.script('finish', ...Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? 'busy' : new Error('away'))))
    stage.outcome('committed', list, token)
    await stage.settle(20_000)
    expect(stage.said('ack')).toEqual([])
    const tried = stage.store.log.filter((method) => method === 'finish').length
    expect(tried).toBeGreaterThan(10)
    expect(tried).toBeLessThan(30)
    await stage.settle(20_000)
    expect(stage.store.effects).toEqual(['a'])
    expect(stage.said('ack')).toHaveLength(1)
    expect(stage.count('retrying')).toBe(15)
  })

  test('is not tried twice at a time, and late words do not take the place of an outcome', async () => {
    const { stage, list, token } = await prepared()
    const release = stage.store.hold('finish')
    stage.outcome('committed', list, token)
    stage.outcome('committed', list, token)
    const answers = [{ id, digest: digestOf(id, list), answer: 'discard' as const }]
    stage.control({ type: 'inquiryAnswer', answers, horizon: 0 as never }, stage.instance())
    await stage.settle()
    release()
    await stage.settle(1_000)
    expect(stage.store.log.filter((method) => method === 'finish')).toHaveLength(1)
    expect(stage.store.effects).toEqual(['a'])
    expect(stage.said('ack')).toHaveLength(1)
  })

  test('takes the place of a word that is none', async () => {
    const { stage, list, token } = await prepared()
    stage.store.script('finish', 'busy')
    const answers = [{ id, digest: digestOf(id, list), answer: 'discard' as const }]
    stage.control({ type: 'inquiryAnswer', answers, horizon: 0 as never }, stage.instance())
    await stage.settle(0)
    stage.outcome('committed', list, token)
    await stage.settle(1_000)
    expect(stage.store.effects).toEqual(['a'])
  })

  test('stays an outcome, whatever is told meanwhile that is none', async () => {
    const { stage, list, token } = await prepared()
    stage.store.script('finish', 'busy')
    stage.outcome('committed', list, token)
    const answers = [{ id, digest: digestOf(id, list), answer: 'expired' as const }]
    stage.control({ type: 'inquiryAnswer', answers, horizon: 0 as never }, stage.instance())
    await stage.settle(1_000)
    expect(stage.store.effects).toEqual(['a'])
  })

  test('is bounded: what is beyond is dropped, since the group tells it again', async () => {
    const { stage, list, token } = await prepared(1, { maxEndings: 1 })
    const release = stage.store.hold('finish')
    stage.outcome('committed', list, token)
    stage.outcome('aborted', list, undefined, { id: idOf(2) })
    await stage.settle()
    release()
    await stage.settle()
    expect(stage.said('ack').map((ack) => ack.id)).toEqual([id])
    expect(stage.servings[0]?.counters.dropped).toBe(1)
    stage.outcome('aborted', list, undefined, { id: idOf(2) })
    await stage.settle()
    expect(stage.said('ack')).toHaveLength(2)
  })

  test('is looked for when another instance was quicker', async () => {
    const { stage, list, token } = await prepared()
    stage.store.prepared.delete(id)
    stage.store.rows.set(id, { state: 'committed', mode: 'logged', digest: digestOf(id, list), token })
    stage.outcome('committed', list, token)
    await stage.settle(1_000)
    expect(stage.said('ack')).toMatchObject([{ applied: 'committed' }])
    expect(stage.said('hazard')).toEqual([])
  })

  test('a tombstone that meets a branch prepared meanwhile ends that one', async () => {
    const stage = await Stage.set()
    stage.store.script('look', { state: 'nothing' })
    stage.store.prepared.set(id, { id, digest: digestOf(id, list), token: tokenOf(5), writes: ['a'], history: 'same' })
    stage.outcome('aborted', list, undefined)
    await stage.settle(1_000)
    expect(stage.store.prepared.size).toBe(0)
    expect(stage.store.rows.get(id)).toEqual({ state: 'aborted' })
    expect(stage.said('ack')).toHaveLength(1)
  })
})

test.each(['committed', 'aborted'] as const)('a one-shot that was %s here does not run again', async (outcome) => {
  const operations: readonly Operation[] = [writing('a')]
  const oneShot = oneShotList(operations)
  const stage = await Stage.set()
  stage.prepare(oneShot, { operations })
  await stage.settle()
  stage.outcome(outcome, oneShot, stage.store.prepared.get(id)?.token)
  await stage.settle()
  stage.prepare(oneShot, { operations })
  await stage.settle()
  expect(stage.store.log.filter((method) => method === 'open')).toHaveLength(1)
  expect(stage.said('vote')).toHaveLength(2)
})

test('an outcome of another group, or another life of the group, is not believed (attack 14)', async () => {
  const { stage, list, token } = await prepared()
  stage.control(
    { type: 'outcome', id, digest: digestOf(id, list), token, outcome: 'aborted', horizon: 0 as never },
    'any',
    otherGroup,
  )
  await stage.settle()
  expect(stage.store.prepared.size).toBe(1)
  expect(stage.servings[0]?.counters.rejected).toBe(1)
})
