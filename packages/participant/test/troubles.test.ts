import { type BranchList, digestOf, type Token } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import type { ParticipantSettings } from '../src/index.ts'
import { calledList, id, idOf } from './names.ts'
import { Stage } from './stage.ts'

interface Prepared {
  readonly stage: Stage
  readonly list: BranchList
  readonly token: Token
}

async function prepared(settings: Partial<ParticipantSettings> = {}): Promise<Prepared> {
  const stage = await Stage.set(settings)
  const token = await stage.opened()
  const list = calledList(stage.instance(), token, 1)
  stage.prepare(list, { to: stage.instance() })
  await stage.settle()
  return { stage, list, token }
}

const kinds = (stage: Stage): string[] =>
  stage.said('trouble').flatMap(({ branches }) => branches.map(({ kind }) => kind))
const alarms = (stage: Stage): unknown[] =>
  stage.events.flatMap((event) => (event.kind === 'trouble' ? [event.trouble] : []))

describe('R16: an outcome that the resource does not take', () => {
  const error = new Error('the tablespace is read-only')

  test('is tried for ever, ever more rarely, and its group is told as long as that is so', async () => {
    const { stage, list, token } = await prepared({ inquireAfterMs: 3_600_000, sweepMs: 3_600_000 })
    stage.store.script('finish', ...Array.from({ length: 20 }, () => error))
    stage.outcome('committed', list, token)
    await stage.settle(25_000)
    expect(kinds(stage)).toEqual([])
    await stage.settle(60_000)
    expect(new Set(kinds(stage))).toEqual(new Set(['failing']))
    expect(stage.said('trouble')[0]?.branches).toMatchObject([{ id, note: expect.stringContaining(error.message) }])
    expect(alarms(stage)).toEqual(['failing'])
    const before = stage.store.log.filter((method) => method === 'finish').length
    await stage.settle(300_000)
    expect(stage.store.log.filter((method) => method === 'finish').length - before).toBe(5)
    expect(stage.said('ack')).toEqual([])
  })

  test('stops no other, and is told no more once it is taken after all', async () => {
    const { stage, list, token } = await prepared({
      stuckAfterMs: 100,
      maxStuckRetryMs: 1_000,
      inquireAfterMs: 3_600_000,
    })
    const other = await stage.opened('b', { id: idOf(2) })
    const otherList = calledList(stage.instance(), other, 1)
    stage.prepare(otherList, { to: stage.instance(), id: idOf(2) })
    await stage.settle()
    stage.store.script('finish', ...Array.from({ length: 6 }, () => error))
    stage.outcome('committed', list, token)
    await stage.settle(500)
    expect(kinds(stage)).toEqual(['failing'])
    stage.outcome('committed', otherList, other, { id: idOf(2) })
    await stage.settle(10_000)
    expect(stage.store.effects.toSorted()).toEqual(['a', 'b'])
    const told = kinds(stage).length
    await stage.settle(60_000)
    expect(kinds(stage)).toHaveLength(told)
  })
})

describe('R13: a branch in quarantine', () => {
  test('is reported until an operator lets go of it, and then rolled back', async () => {
    const { stage, list } = await prepared()
    const digest = digestOf(id, list)
    const row = stage.store.prepared.get(id)
    if (row === undefined) throw new Error('nothing is prepared')
    row.history = 'changed'
    const answer = (told: 'discard' | 'released'): void =>
      stage.control(
        { type: 'inquiryAnswer', answers: [{ id, digest, answer: told }], horizon: 0 as never },
        stage.instance(),
      )
    answer('discard')
    await stage.settle(40_000)
    expect(new Set(kinds(stage))).toEqual(new Set(['quarantined']))
    expect(kinds(stage).length).toBeGreaterThan(1)
    expect(stage.store.prepared.size).toBe(1)
    answer('released')
    await stage.settle()
    expect([stage.store.prepared.size, stage.store.effects]).toEqual([0, []])
    const told = kinds(stage).length
    await stage.settle(60_000)
    expect(kinds(stage)).toHaveLength(told)
  })
})

describe('R16: a branch in doubt beyond the age limit', () => {
  test('raises an alarm once, and nothing is decided', async () => {
    const { stage, list, token } = await prepared()
    await stage.settle(50_000)
    expect(alarms(stage)).toEqual([])
    await stage.settle(600_000)
    expect(alarms(stage)).toEqual(['overdue'])
    expect(stage.store.prepared.size).toBe(1)
    stage.outcome('aborted', list, token)
    await stage.settle()
    expect(stage.said('ack')).toHaveLength(1)
  })

  test('is found among what earlier lives left, and nobody has a record of', async () => {
    const { stage } = await prepared()
    await stage.start('payments-2')
    await stage.settle(120_000)
    expect(alarms(stage)).toEqual(['overdue', 'overdue'])
  })
})

describe('R16: a message whose handling throws', () => {
  /** An observer that throws for one transaction, as a fault of the program would. */
  async function poisoned(): Promise<Stage> {
    const stage = await Stage.set({ idleMs: 2_000 })
    stage.events.push = (...events) => {
      for (const event of events) {
        if ('id' in event && event.id === idOf(1) && event.kind !== 'trouble') throw new Error('a fault')
      }
      return Array.prototype.push.apply(stage.events, events)
    }
    return stage
  }

  test('stops no other transaction, and is reported', async () => {
    const stage = await poisoned()
    stage.call({ id: idOf(1), operation: 'write' }, { value: 'a' })
    await stage.settle()
    expect(kinds(stage)).toEqual(['poisoned'])
    await stage.opened('b', { id: idOf(2) })
    await stage.settle(200_000)
    expect(new Set(kinds(stage))).toEqual(new Set(['poisoned']))
    const told = kinds(stage).length
    await stage.settle(60_000)
    expect(kinds(stage)).toHaveLength(told)
  })

  test('keeps nobody waiting: what was not prepared is rolled back', async () => {
    const stage = await poisoned()
    stage.call({ id: idOf(1), operation: 'write' }, { value: 'a' })
    await stage.settle(100)
    expect(stage.store.open.size).toBe(0)
    expect(stage.store.log).toContain('rollback')
  })
})
