import { digestOf, type Operation } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { id, instanceOf, loneList, loneOneShotList, payloadOf, tokenOf } from './names.ts'
import { declared, lying, reading, Stage, writing } from './stage.ts'

const aborted = (code: string) => ({ kind: 'aborted', reason: expect.objectContaining({ code }) })
const committed = (...values: unknown[]) => ({
  kind: 'committed',
  ...(values.length > 0 && { results: values.map(payloadOf) }),
})
const refusing: Operation = { name: 'refuse', args: payloadOf({ code: 'not-today' }) }
const gated = (gate: string): Operation => ({ name: 'gated', args: payloadOf({ gate }) })

describe('a branch that is asked to commit alone', () => {
  test('commits under token and exact number of calls, in one go, and no group hears of it', async () => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    const list = loneList(stage.instance(), token, 1)
    stage.alone(list, { to: stage.instance() })
    await stage.settle()
    expect(stage.decided).toEqual([committed()])
    expect(stage.store.log).toEqual(['inDoubt', 'open', 'commit'])
    expect(stage.store.rows.get(id)).toEqual({ state: 'committed', mode: 'lone', digest: digestOf(id, list), token })
    expect(stage.store.effects).toEqual(['a'])
    expect(stage.words).toEqual([])
    expect(stage.servings[0]?.counters.committed).toBe(1)
  })

  test('says how long it took there, the first time', async () => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    const list = loneList(stage.instance(), token, 1)
    for (let times = 0; times < 2; times += 1) {
      stage.alone(list, { to: stage.instance() })
      await stage.settle()
    }
    const answers = stage.answers.flatMap(({ message }) => (message.type === 'loneDecided' ? [message.answer] : []))
    expect(answers).toMatchObject([{ took: { runMs: 0, commitMs: 0 } }, { kind: 'committed' }])
    expect(answers[1]).not.toHaveProperty('took')
  })

  test.each([
    ['another token', (stage: Stage) => loneList(stage.instance(), tokenOf(9), 1)],
    ['fewer calls', (stage: Stage, token: never) => loneList(stage.instance(), token, 2)],
    ['another instance', (_: Stage, token: never) => loneList(instanceOf(9), token, 1)],
  ])('with %s is buried before it is told aborted, and holds nothing any more', async (_, listFor) => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    const release = stage.store.hold('tombstone')
    stage.alone(listFor(stage, token as never), { to: stage.instance() })
    await stage.settle()
    expect(stage.decided).toEqual([])
    release()
    await stage.settle()
    expect(stage.decided).toEqual([aborted('unknown-branch')])
    expect(stage.store.rows.get(id)).toEqual({ state: 'aborted' })
    expect(stage.store.open.size).toBe(0)
    expect(stage.store.effects).toEqual([])
  })

  test('that is not there is buried, and whatever comes of it later commits nothing', async () => {
    const stage = await Stage.set()
    stage.alone(loneList(instanceOf(9), tokenOf(9), 1))
    await stage.settle()
    expect(stage.decided).toEqual([aborted('unknown-branch')])
    stage.call({ operation: 'write' }, { value: 'late' })
    await stage.settle()
    expect(stage.results).toEqual([{ kind: 'busy' }])
  })

  test('that was told committed is so for whoever asks again, at any instance', async () => {
    const stage = await Stage.set({}, 2)
    const token = await stage.opened('a')
    const at = stage.servings.findIndex(({ counters }) => counters.opened === 1) + 1
    const list = loneList(stage.instance(at), token, 1)
    stage.alone(list, { to: stage.instance(at) })
    await stage.settle()
    for (const n of [1, 2]) stage.alone(list, { to: stage.instance(n), again: true })
    await stage.settle()
    expect(stage.decided).toEqual([committed(), committed(), committed()])
    expect(stage.store.effects).toEqual(['a'])
  })

  test('is told once, to the newest request, while it commits', async () => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    const list = loneList(stage.instance(), token, 1)
    const release = stage.store.hold('commit')
    for (const again of [false, true]) stage.alone(list, { to: stage.instance(), again })
    await stage.settle()
    expect(stage.decided).toEqual([])
    release()
    await stage.settle()
    expect(stage.answers.filter(({ message }) => message.type === 'loneDecided')).toMatchObject([{ request: 3 }])
  })

  test('under another list than the one that committed is a conflict', async () => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    stage.alone(loneList(stage.instance(), token, 1), { to: stage.instance() })
    await stage.settle()
    stage.alone(loneList(stage.instance(), token, 2), { to: stage.instance() })
    await stage.settle()
    expect(stage.decided).toEqual([committed(), { kind: 'conflict' }])
  })

  test('that only read ends without a row, and says so again', async () => {
    const stage = await Stage.set()
    stage.call({ operation: 'read' }, {})
    await stage.settle()
    const [first] = stage.answers
    if (first?.message.type !== 'result' || first.message.token === undefined) throw new Error('it was not opened')
    const list = loneList(stage.instance(), first.message.token, 1)
    for (let times = 0; times < 2; times += 1) {
      stage.alone(list, { to: stage.instance() })
      await stage.settle()
    }
    expect(stage.decided).toEqual([{ kind: 'read-only' }, { kind: 'read-only' }])
    expect(stage.store.rows.size).toBe(0)
  })
})

describe('a lone one-shot', () => {
  test('runs, commits, and tells its values, also to whoever asks again without its operations', async () => {
    const stage = await Stage.set()
    const operations = [writing('a'), writing('b')]
    stage.alone(loneOneShotList(operations), { operations })
    await stage.settle()
    stage.alone(loneOneShotList(operations), { again: true })
    await stage.settle()
    const told = committed({ wrote: 'a' }, { wrote: 'b' })
    expect(stage.decided).toEqual([told, told])
    expect(stage.store.effects).toEqual(['a', 'b'])
  })

  test('that comes again after its commit runs no second time', async () => {
    const stage = await Stage.set({}, 2)
    const operations = [writing('a')]
    for (const n of [1, 2, 1]) {
      stage.alone(loneOneShotList(operations), { operations, to: stage.instance(n) })
      await stage.settle()
    }
    expect(stage.decided).toEqual([committed({ wrote: 'a' }), committed({ wrote: 'a' }), committed({ wrote: 'a' })])
    expect(stage.store.effects).toEqual(['a'])
  })

  test('that is refused leaves a tombstone before that is told, and no copy of it commits (hole 2)', async () => {
    const stage = await Stage.set()
    const operations = [writing('a'), refusing]
    stage.alone(loneOneShotList(operations), { operations })
    await stage.settle()
    expect(stage.decided).toEqual([aborted('not-today')])
    expect(stage.store.rows.get(id)).toEqual({ state: 'aborted' })
    expect(stage.store.effects).toEqual([])
  })

  test('whose copy at another instance was refused meets the tombstone, and is aborted too', async () => {
    const stage = await Stage.set({}, 2)
    const operations = [gated('gate')]
    stage.alone(loneOneShotList(operations), { operations, to: stage.instance(1) })
    await stage.settle()
    stage.alone(loneOneShotList(operations), { to: stage.instance(2), again: true })
    await stage.settle()
    expect(stage.decided).toEqual([aborted('unknown-branch')])
    stage.gates.open('gate')
    await stage.settle()
    expect(stage.decided).toEqual([aborted('unknown-branch'), aborted('unknown-branch')])
    expect(stage.store.effects).toEqual([])
  })

  test('that only read keeps a row, since it may write when it runs again (hole 13)', async () => {
    const stage = await Stage.set()
    stage.alone(loneOneShotList([reading]), { operations: [reading] })
    await stage.settle()
    expect(stage.decided).toEqual([committed('nothing')])
    expect(stage.store.rows.get(id)).toMatchObject({ state: 'committed', mode: 'lone' })
  })

  test('of operations that are declared read-only keeps none, and may run again for its values', async () => {
    const stage = await Stage.set()
    for (let times = 0; times < 2; times += 1) {
      stage.alone(loneOneShotList([declared]), { operations: [declared] })
      await stage.settle()
    }
    const told = { kind: 'read-only', results: [payloadOf('nothing')] }
    expect(stage.decided).toEqual([told, told])
    expect(stage.store.rows.size).toBe(0)
  })

  test('of which one is not keeps a row', async () => {
    const stage = await Stage.set()
    stage.alone(loneOneShotList([declared, reading]), { operations: [declared, reading] })
    await stage.settle()
    expect(stage.store.rows.get(id)).toMatchObject({ state: 'committed', mode: 'lone' })
  })

  test('that writes though it is declared read-only is refused', async () => {
    const stage = await Stage.set()
    stage.alone(loneOneShotList([lying]), { operations: [lying] })
    await stage.settle()
    expect(stage.decided).toEqual([aborted('operation-failed')])
    expect(stage.store.effects).toEqual([])
  })

  test('that waited in vain for a lock is asked for again when it is a copy: the first one may hold it', async () => {
    const stage = await Stage.set()
    stage.store.script('commit', { kind: 'refused', reason: { code: 'x', message: '', retryable: true } })
    const operations: Operation[] = [{ name: 'fail', args: payloadOf({ message: 'lock' }) }]
    stage.alone(loneOneShotList(operations), { operations, again: true })
    await stage.settle()
    expect(stage.decided).toEqual([{ kind: 'busy' }])
    expect(stage.store.rows.size).toBe(0)
    stage.alone(loneOneShotList(operations), { operations })
    await stage.settle()
    expect(stage.decided[1]).toEqual(aborted('lock-timeout'))
  })
})

describe('a commit whose answer was lost (hole 17)', () => {
  test.each([
    { buried: 'done', told: aborted('resource-refused') },
    { buried: 'busy', told: { kind: 'busy' } },
  ])('is told as a tombstone says: $buried', async ({ buried, told }) => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    stage.store.script('commit', { kind: 'busy' })
    stage.store.script('tombstone', buried)
    stage.alone(loneList(stage.instance(), token, 1), { to: stage.instance() })
    await stage.settle()
    expect(stage.decided).toEqual([told])
  })

  test('is committed when the tombstone meets its row', async () => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    const list = loneList(stage.instance(), token, 1)
    stage.store.script('commit', new Error('the connection broke'))
    stage.store.rows.set(id, { state: 'committed', mode: 'lone', digest: digestOf(id, list), token })
    stage.alone(list, { to: stage.instance() })
    await stage.settle()
    expect(stage.decided).toEqual([committed()])
  })

  test('stays in doubt while the resource cannot say', async () => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    stage.store.script('commit', { kind: 'busy' })
    stage.store.script('tombstone', new Error('down'))
    stage.alone(loneList(stage.instance(), token, 1), { to: stage.instance() })
    await stage.settle()
    expect(stage.decided).toEqual([{ kind: 'busy' }])
  })
})

describe('lone and logged never mix', () => {
  test('a branch that is prepared for a group is not committed, nor buried, alone', async () => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    stage.store.prepared.set(id, { id, digest: 'd'.repeat(26) as never, token, writes: ['a'], history: 'same' })
    stage.alone(loneList(stage.instance(), token, 2), { to: stage.instance() })
    await stage.settle()
    expect(stage.decided).toEqual([{ kind: 'busy' }])
    expect(stage.store.prepared.size).toBe(1)
  })

  test('neither a prepare of one branch, nor an id that is kept, nor two branches alone are taken', async () => {
    const stage = await Stage.set()
    const token = await stage.opened('a')
    stage.prepare(loneList(stage.instance(), token, 1), { to: stage.instance() })
    await stage.settle()
    expect(stage.servings[0]?.counters.rejected).toBe(1)
    expect(stage.words).toEqual([])
  })
})
