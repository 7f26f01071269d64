import { type BranchList, digestOf, type InquiryAnswer, type Token } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { calledList, group, id, idOf, instanceOf, otherGroup, tokenOf } from './names.ts'
import { of, Stage } from './stage.ts'

const settings = {
  inquireAfterMs: 1_000,
  inquiryPauseMs: 500,
  maxInquiryPauseMs: 2_000,
  inquirySpreadMs: 200,
  sweepMs: 1_000,
}
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

interface Prepared {
  readonly stage: Stage
  readonly list: BranchList
  readonly token: Token
}

async function prepared(): Promise<Prepared> {
  const stage = await Stage.set(settings)
  const token = await stage.opened('a', { trace: { traceparent } })
  const list = calledList(stage.instance(), token, 1)
  stage.prepare(list, { to: stage.instance() })
  await stage.settle()
  return { stage, list, token }
}

function answer(stage: Stage, list: BranchList, how: InquiryAnswer['answers'][number]['answer'], token?: Token): void {
  const named = token === undefined ? {} : { token }
  const answers = [{ id, digest: digestOf(id, list), answer: how, ...named }]
  stage.control({ type: 'inquiryAnswer', answers, horizon: 0 as never }, stage.instance())
}

/** Leaves a prepared branch in the store that no instance remembers. */
function left(stage: Stage, history: 'same' | 'changed' = 'same'): BranchList {
  const list = calledList(instanceOf(9), tokenOf(9), 1)
  stage.store.prepared.set(id, { id, digest: digestOf(id, list), token: tokenOf(9), writes: ['a'], history })
  return list
}

describe('a prepared branch without an outcome', () => {
  test('is left to its leader first, then asked about, with the list and the trace', async () => {
    const { stage, list, token } = await prepared()
    await stage.settle(900)
    expect(stage.said('inquiry')).toEqual([])
    await stage.settle(200)
    expect(stage.said('inquiry')).toEqual([
      {
        type: 'inquiry',
        instance: stage.instance(),
        branches: [{ id, digest: digestOf(id, list), token, list, trace: { traceparent } }],
      },
    ])
  })

  test('is asked about again while the answer is pending or lost, and no more once it has ended', async () => {
    const { stage, list, token } = await prepared()
    await stage.settle(1_100)
    answer(stage, list, 'pending')
    await stage.settle(5_000)
    const asked = stage.said('inquiry').length
    expect(asked).toBeGreaterThan(3)
    answer(stage, list, 'committed', token)
    await stage.settle()
    expect(stage.store.effects).toEqual(['a'])
    expect(stage.said('ack')).toHaveLength(1)
    await stage.settle(5_000)
    expect(stage.said('inquiry')).toHaveLength(asked)
  })

  test('is asked about when a leader announces itself, after a random delay; a young one is not', async () => {
    const { stage } = await prepared()
    const announce = { type: 'announce', term: 2, epoch: 7 as never, horizon: 0 as never } as const
    stage.send(of.news(group), announce)
    await stage.settle(900)
    expect(stage.said('inquiry')).toEqual([])
    await stage.settle(6_000)
    const asked = stage.said('inquiry').length
    stage.send(of.news(group), { ...announce, term: 3 })
    await stage.settle(250)
    expect(stage.said('inquiry')).toHaveLength(asked + 1)
  })

  test.each(['discard', 'expired'] as const)(
    'that the group knows nothing of (%s) is rolled back, without a row',
    async (how) => {
      const { stage, list } = await prepared()
      answer(stage, list, how)
      await stage.settle()
      expect(stage.store.prepared.size).toBe(0)
      expect(stage.store.rows.size).toBe(0)
      expect(stage.said('ack')).toEqual([])
      expect(stage.store.log).toContain('look')
      await stage.settle(5_000)
      expect(stage.said('inquiry')).toEqual([])
    },
  )

  test('of another digest than a discard names is kept', async () => {
    const { stage } = await prepared()
    answer(stage, calledList(instanceOf(9), tokenOf(9), 1), 'discard')
    await stage.settle()
    expect(stage.store.prepared.size).toBe(1)
  })
})

describe('what an earlier life left prepared', () => {
  test('is found at the start, asked about and ended', async () => {
    const stage = await Stage.set(settings, 0)
    const list = left(stage)
    await stage.start('payments-1')
    await stage.settle(300)
    expect(stage.said('inquiry')).toMatchObject([{ branches: [{ id, digest: digestOf(id, list), token: tokenOf(9) }] }])
    answer(stage, list, 'committed', tokenOf(9))
    await stage.settle()
    expect(stage.store.effects).toEqual(['a'])
  })

  test('is found by the sweeper later, also after the store was away', async () => {
    const stage = await Stage.set(settings)
    stage.store.script('inDoubt', new Error('away'), new Error('away'))
    left(stage)
    await stage.settle(2_900)
    expect(stage.said('inquiry')).toEqual([])
    await stage.settle(1_500)
    expect(stage.said('inquiry').length).toBeGreaterThan(0)
  })

  test.each(['discard', 'expired'] as const)(
    'on a store of another history is not ended by %s (rule R13)',
    async (how) => {
      const stage = await Stage.set(settings)
      const list = left(stage, 'changed')
      answer(stage, list, how)
      await stage.settle()
      expect(stage.store.prepared.size).toBe(1)
      expect(stage.count('quarantined')).toBe(1)
      answer(stage, list, 'aborted', tokenOf(9))
      await stage.settle()
      expect(stage.store.rows.get(id)).toEqual({ state: 'aborted' })
    },
  )
})

test('one message asks about many', async () => {
  const stage = await Stage.set(settings, 0)
  for (let n = 1; n <= 100; n += 1) {
    const list = calledList(instanceOf(9), tokenOf(9), 1)
    stage.store.prepared.set(idOf(n), {
      id: idOf(n),
      digest: digestOf(idOf(n), list),
      token: tokenOf(9),
      writes: ['a'],
      history: 'same',
    })
  }
  await stage.start('payments-1')
  await stage.simulation.runUntil(() => stage.said('inquiry').flatMap(({ branches }) => branches).length >= 100, {
    withinMs: 1_000,
  })
  expect(new Set(stage.said('inquiry').flatMap(({ branches }) => branches.map((branch) => branch.id))).size).toBe(100)
})

test('an answer about a transaction of another group is not believed', async () => {
  const { stage, list } = await prepared()
  const answers = [{ id, digest: digestOf(id, list), answer: 'discard' as const }]
  stage.control({ type: 'inquiryAnswer', answers, horizon: 0 as never }, stage.instance(), otherGroup)
  await stage.settle()
  expect(stage.store.prepared.size).toBe(1)
})

test('another instance that voted on what it found has the list for its inquiry, should the first be gone', async () => {
  const stage = await Stage.set(settings, 0)
  const first = await stage.start('payments-1')
  const token = await stage.opened()
  const list = calledList(stage.instance(), token, 1)
  stage.prepare(list, { to: stage.instance() })
  await stage.settle()
  first.crash()
  await stage.start('payments-2')
  stage.prepare(list)
  await stage.settle(1_300)
  expect(stage.said('inquiry')[0]).toMatchObject({ instance: stage.instance(2), branches: [{ id, list }] })
})

test('what another instance prepared just now is left to its leader, although this one voted on it', async () => {
  const stage = await Stage.set({ ...settings, sweepMs: 60_000 }, 2)
  const token = await stage.opened()
  const [answer] = stage.answers
  const at = answer?.message.type === 'result' ? answer.message.instance : stage.instance()
  const list = calledList(at, token, 1)
  stage.prepare(list, { to: at })
  await stage.settle()
  stage.prepare(list, { to: at === stage.instance(1) ? stage.instance(2) : stage.instance(1) })
  await stage.settle(900)
  expect(stage.said('vote')).toHaveLength(2)
  expect(stage.said('inquiry')).toEqual([])
  await stage.settle(400)
  expect(new Set(stage.said('inquiry').map(({ instance }) => instance)).size).toBe(2)
})
