import { digestOf, type InstanceId, type Operation, type Token } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { calledList, id, idOf, instanceOf, oneShotList, payloadOf, tokenOf } from './names.ts'
import { Stage, writing } from './stage.ts'

const refusedAs = (code: string) =>
  expect.objectContaining({ kind: 'refused', reason: expect.objectContaining({ code }) })
const busy = (found: 'nothing' | 'underway') => expect.objectContaining({ kind: 'busy', found })

/** Votes so far, in order. */
const votes = (stage: Stage) => stage.said('vote').map(({ vote }) => vote)

/** The instance that holds the branch opened last. */
function holder(stage: Stage): InstanceId {
  const instance = stage.answers.flatMap(({ message }) => (message.type === 'result' ? [message.instance] : [])).at(-1)
  if (instance === undefined) throw new Error('no branch was opened')
  return instance
}

function otherThan(stage: Stage, instance: InstanceId): InstanceId {
  return stage.instance(1) === instance ? stage.instance(2) : stage.instance(1)
}

async function prepared(stage: Stage): Promise<{ at: InstanceId; token: Token }> {
  const token = await stage.opened()
  const at = holder(stage)
  stage.prepare(calledList(at, token, 1), { to: at })
  await stage.settle()
  return { at, token }
}

describe('a called branch', () => {
  test('votes prepared, with instance, token and durability, only once the row is durable', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    const list = calledList(stage.instance(), token, 1)
    const release = stage.store.hold('prepare')
    stage.prepare(list, { to: stage.instance() })
    await stage.settle()
    expect(stage.words).toEqual([])
    release()
    await stage.settle()
    const vote = { kind: 'prepared', instance: stage.instance(), token, durability: 'full' }
    expect(stage.words).toEqual([{ type: 'vote', id, digest: digestOf(id, list), vote }])
    expect(stage.store.prepared.get(id)).toMatchObject({ digest: digestOf(id, list), token })
  })

  test('says that its durability is weak when the resource says so', async () => {
    const stage = await Stage.set({}, 0)
    stage.store.durability = 'weak'
    await stage.start('payments-1')
    await prepared(stage)
    expect(votes(stage)).toMatchObject([{ kind: 'prepared', durability: 'weak' }])
  })

  test.each([1, 3])('with %i calls in the list and 2 executed is refused and gone (attack 9)', async (calls) => {
    const stage = await Stage.set()
    const token = await stage.opened()
    stage.call({ operation: 'write', n: 2, token }, { value: 'b' }, stage.instance())
    await stage.settle()
    stage.prepare(calledList(stage.instance(), token, calls), { to: stage.instance() })
    await stage.settle()
    expect(votes(stage)).toEqual([refusedAs('unknown-branch')])
    expect(stage.store.prepared.size + stage.store.open.size).toBe(0)
  })

  test('with a call that still runs is refused', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    stage.call({ operation: 'gated', n: 2, token }, { gate: 'g' }, stage.instance())
    await stage.settle()
    stage.prepare(calledList(stage.instance(), token, 2), { to: stage.instance() })
    await stage.settle()
    expect(votes(stage)).toEqual([refusedAs('unknown-branch')])
    stage.gates.open('g')
    await stage.settle()
    expect(stage.store.prepared.size).toBe(0)
  })

  test('under another list is a conflict, and its promise stands', async () => {
    const stage = await Stage.set()
    const { at, token } = await prepared(stage)
    stage.prepare(calledList(at, token, 2), { to: at })
    await stage.settle()
    expect(votes(stage)).toEqual([expect.objectContaining({ kind: 'prepared' }), refusedAs('conflict')])
    expect(stage.store.prepared.size).toBe(1)
  })

  test('asked again, votes again', async () => {
    const stage = await Stage.set()
    const { at, token } = await prepared(stage)
    stage.prepare(calledList(at, token, 1), { to: at })
    await stage.settle()
    expect(votes(stage)[1]).toEqual(votes(stage)[0])
    expect(stage.store.log.filter((method) => method === 'prepare')).toHaveLength(1)
  })

  test('that only read ends with its vote, which is repeated', async () => {
    const stage = await Stage.set()
    stage.call({ operation: 'read' }, {})
    await stage.settle()
    const [answer] = stage.answers
    if (answer?.message.type !== 'result' || answer.message.token === undefined) throw new Error('not opened')
    const { token } = answer.message
    for (let n = 0; n < 2; n += 1) {
      stage.prepare(calledList(stage.instance(), token, 1), { to: stage.instance() })
      await stage.settle()
    }
    const vote = { kind: 'read-only', instance: stage.instance(), token }
    expect(votes(stage)).toEqual([vote, vote])
    expect(stage.store.open.size).toBe(0)
  })

  test('that is not there is refused by the instance that the list names', async () => {
    const stage = await Stage.set()
    stage.prepare(calledList(stage.instance(), tokenOf(1), 1), { to: stage.instance() })
    await stage.settle()
    expect(votes(stage)).toEqual([refusedAs('unknown-branch')])
  })
})

describe('an instance that the list does not name', () => {
  test('finds nothing and says busy, never refused', async () => {
    const stage = await Stage.set({}, 2)
    const token = await stage.opened()
    const at = holder(stage)
    stage.prepare(calledList(at, token, 1), { to: otherThan(stage, at) })
    await stage.settle()
    expect(votes(stage)).toEqual([busy('nothing')])
    expect(stage.store.open.size).toBe(1)
  })

  test('finds the prepared branch and votes for it with its token (attacks 15, 22)', async () => {
    const stage = await Stage.set({}, 2)
    const { at, token } = await prepared(stage)
    const instance = otherThan(stage, at)
    stage.prepare(calledList(at, token, 1), { to: instance })
    await stage.settle()
    expect(votes(stage)[1]).toEqual({ kind: 'prepared', instance, token, durability: 'full' })
  })

  test('finds it prepared under another list: a conflict', async () => {
    const stage = await Stage.set({}, 2)
    const { at, token } = await prepared(stage)
    stage.prepare(calledList(at, token, 2), { to: otherThan(stage, at) })
    await stage.settle()
    expect(votes(stage)[1]).toEqual(refusedAs('conflict'))
  })

  test.each([
    [{ state: 'underway' }, busy('underway')],
    [
      { state: 'committed', digest: digestOf(id, calledList(instanceOf(5), tokenOf(5), 1)), token: tokenOf(5) },
      busy('underway'),
    ],
    [{ state: 'aborted' }, expect.objectContaining({ kind: 'refused' })],
    [new Error('the database is away'), busy('underway')],
  ])('finds %j', async (row, vote) => {
    const stage = await Stage.set()
    stage.store.script('look', row)
    stage.prepare(calledList(instanceOf(5), tokenOf(5), 1))
    await stage.settle()
    expect(votes(stage)).toEqual([vote])
  })

  test('looks for a bounded number at a time; the others are asked to come again', async () => {
    const stage = await Stage.set({ maxLooks: 2 })
    const release = stage.store.hold('look')
    for (let n = 1; n <= 3; n += 1) stage.prepare(calledList(instanceOf(5), tokenOf(5), 1), { id: idOf(n) })
    await stage.settle()
    expect(votes(stage)).toEqual([busy('underway')])
    expect(stage.servings[0]?.counters.dropped).toBe(1)
    release()
    await stage.settle()
    expect(votes(stage)).toHaveLength(3)
  })
})

describe('when preparing is not known to have succeeded (attack 17)', () => {
  test.each([{ kind: 'busy' }, new Error('connection lost')])(
    'after %j it says busy, and never refuses',
    async (answer) => {
      const stage = await Stage.set()
      const token = await stage.opened()
      const list = calledList(stage.instance(), token, 1)
      stage.store.script('prepare', answer)
      for (let n = 0; n < 2; n += 1) {
        stage.prepare(list, { to: stage.instance() })
        await stage.settle()
      }
      expect(votes(stage)).toEqual([busy('underway'), busy('underway')])
      expect(stage.store.log).not.toContain('rollback')
    },
  )

  test('it votes prepared once the resource shows it', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    const list = calledList(stage.instance(), token, 1)
    stage.store.script('prepare', { kind: 'busy' })
    stage.prepare(list, { to: stage.instance() })
    await stage.settle()
    stage.store.prepared.set(id, { id, digest: digestOf(id, list), token, writes: ['a'], history: 'same' })
    stage.prepare(list, { to: stage.instance() })
    await stage.settle()
    expect(votes(stage)[1]).toMatchObject({ kind: 'prepared', token })
  })

  test('the row of another opening is what counts', async () => {
    const stage = await Stage.set()
    const token = await stage.opened()
    const list = calledList(stage.instance(), token, 1)
    stage.store.script('prepare', { kind: 'exists' })
    stage.store.prepared.set(id, { id, digest: digestOf(id, list), token: tokenOf(7), writes: ['z'], history: 'same' })
    stage.prepare(list, { to: stage.instance() })
    await stage.settle()
    expect(votes(stage)).toMatchObject([{ kind: 'prepared', token: tokenOf(7) }])
  })
})

describe('a one-shot', () => {
  const operations: readonly Operation[] = [writing('a'), writing('b')]
  const list = oneShotList(operations)
  const results = [payloadOf({ wrote: 'a' }), payloadOf({ wrote: 'b' })]

  test('runs, prepares and votes with its values', async () => {
    const stage = await Stage.set()
    stage.prepare(list, { operations })
    await stage.settle()
    expect(votes(stage)).toMatchObject([{ kind: 'prepared', results }])
    expect(stage.store.prepared.get(id)).toMatchObject({ results, writes: ['a', 'b'] })
  })

  test('doubled while it runs is joined; doubled afterwards, it votes again with its values', async () => {
    const stage = await Stage.set()
    const release = stage.store.hold('open')
    stage.prepare(list, { operations })
    stage.prepare(list, { operations })
    await stage.settle()
    release()
    await stage.settle()
    stage.prepare(list, { operations })
    await stage.settle()
    expect(votes(stage)).toMatchObject([{ results }, { results }])
    expect(stage.store.log.filter((method) => method === 'open')).toHaveLength(1)
  })

  test('without its operations, votes by what is there', async () => {
    const stage = await Stage.set()
    stage.prepare(list)
    await stage.settle()
    expect(votes(stage)).toEqual([busy('nothing')])
  })

  test('executed a second time by another instance meets the row, and the first one counts', async () => {
    const stage = await Stage.set({}, 2)
    stage.prepare(list, { operations, to: stage.instance(1) })
    await stage.settle()
    stage.prepare(list, { operations, to: stage.instance(2) })
    await stage.settle()
    const token = stage.store.prepared.get(id)?.token
    expect(votes(stage)).toMatchObject([{ token }, { token, instance: stage.instance(2) }])
  })

  test('that fails is refused, unless another copy of it is prepared', async () => {
    const failing: readonly Operation[] = [writing('a'), { name: 'fail', args: payloadOf({ message: 'lock' }) }]
    const failingList = oneShotList(failing)
    const stage = await Stage.set()
    stage.prepare(failingList, { operations: failing })
    await stage.settle()
    const digest = digestOf(idOf(2), failingList)
    stage.store.prepared.set(idOf(2), { id: idOf(2), digest, token: tokenOf(7), writes: ['a'], history: 'same' })
    stage.prepare(failingList, { operations: failing, id: idOf(2) })
    await stage.settle()
    expect(votes(stage)).toEqual([
      refusedAs('lock-timeout'),
      expect.objectContaining({ kind: 'prepared', token: tokenOf(7) }),
    ])
    expect(stage.store.open.size).toBe(0)
  })

  test('that failed is not run again for the same list: it is refused again', async () => {
    const failing: readonly Operation[] = [writing('a'), { name: 'fail', args: payloadOf({ message: 'lock' }) }]
    const stage = await Stage.set()
    for (let n = 0; n < 2; n += 1) {
      stage.prepare(oneShotList(failing), { operations: failing })
      await stage.settle()
    }
    expect(votes(stage)).toEqual([refusedAs('lock-timeout'), refusedAs('lock-timeout')])
    expect(stage.store.log.filter((method) => method === 'open')).toHaveLength(1)
    stage.prepare(list, { operations })
    await stage.settle()
    expect(votes(stage)[2]).toMatchObject({ kind: 'prepared' })
  })

  test('beyond the capacity waits in vain and is refused, retryable, unless it is prepared here already', async () => {
    const stage = await Stage.set({ lockTimeoutMs: 500 })
    await stage.filled()
    stage.prepare(list, { operations, id: idOf(100) })
    await stage.settle(520)
    const shown = {
      id: idOf(101),
      digest: digestOf(idOf(101), list),
      token: tokenOf(7),
      writes: ['a'],
      history: 'same',
    } as const
    stage.store.prepared.set(idOf(101), shown)
    stage.prepare(list, { operations, id: idOf(101) })
    await stage.settle(520)
    expect(votes(stage)).toMatchObject([
      { kind: 'refused', reason: { code: 'overloaded', retryable: true } },
      { kind: 'prepared' },
    ])
    expect(stage.store.open.size).toBe(stage.store.capacity)
  })

  test('out of time is rolled back and refused', async () => {
    const operations = [{ name: 'gated', args: payloadOf({ gate: 'never' }) }]
    const stage = await Stage.set()
    stage.prepare(oneShotList(operations), { operations })
    await stage.settle(5_100)
    expect(votes(stage)).toEqual([refusedAs('budget-spent')])
    expect(stage.store.open.size).toBe(0)
  })

  test('with values too large for a vote votes without them', async () => {
    const operations = Array.from({ length: 10 }, () => ({ name: 'large', args: payloadOf({ bytes: 60_000 }) }))
    const stage = await Stage.set()
    const all = [writing('a'), ...operations]
    stage.prepare(oneShotList(all), { operations: all })
    await stage.settle()
    expect(votes(stage)).toMatchObject([{ kind: 'prepared' }])
    expect(votes(stage)[0]).not.toHaveProperty('results')
    expect(stage.store.prepared.get(id)).not.toHaveProperty('results')
  })
})
