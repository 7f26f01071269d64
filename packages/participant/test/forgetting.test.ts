import type { Epoch, GroupId, SweepAnswer, TransactionId } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import {
  advanceForgetting,
  type Forgetting,
  type ForgettingEffect,
  type ForgettingEvent,
  forgettingWakeAtMs,
  isExpired,
} from '../src/forgetting.ts'
import type { BranchKey } from '../src/resource.ts'
import { digestNumber, group, id, idOf, otherGroup, tokenOf } from './names.ts'

const limits = { collectSpreadMs: 2_000, maxCollectPauseMs: 60_000, inquiryPauseMs: 1_000, maxInquiryPauseMs: 15_000 }
const row = (of: TransactionId): BranchKey => ({ id: of, digest: digestNumber(1), token: tokenOf(1) })
const heard = (horizon: number, of: GroupId = group): ForgettingEvent => ({
  kind: 'heard',
  group: of,
  horizon: horizon as Epoch,
})

/** A state with what happens to it, at a time that the test moves. */
class Life {
  readonly state: Forgetting = new Map()
  nowMs = 0

  send(event: ForgettingEvent, fraction = 0): readonly ForgettingEffect[] {
    return advanceForgetting(this.state, event, { nowMs: this.nowMs, fraction }, limits)
  }

  /** Goes on to when it wants to be woken. */
  wake(): readonly ForgettingEffect[] {
    this.nowMs = forgettingWakeAtMs(this.state) ?? Number.NaN
    return this.send({ kind: 'woke' })
  }

  /** Hears of a horizon and raises the floor to it; gives what comes after. */
  raised(horizon: number): readonly ForgettingEffect[] {
    this.send(heard(horizon))
    this.wake()
    return this.send({ kind: 'raised', group, floor: horizon as Epoch, came: 'raised' })
  }

  collected(logged: readonly TransactionId[], last?: TransactionId): readonly ForgettingEffect[] {
    return this.send({ kind: 'collected', group, collected: { deleted: 0, logged: logged.map(row), last } })
  }

  answered(answers: Record<TransactionId, SweepAnswer['answers'][number]['answer']>): readonly ForgettingEffect[] {
    const all = Object.entries(answers).map(([of, answer]) => ({ id: of as TransactionId, answer }))
    return this.send({ kind: 'answered', group, answers: all })
  }

  get isResting(): boolean {
    return forgettingWakeAtMs(this.state) === undefined
  }
}

describe('a floor', () => {
  test('is raised to the highest horizon heard, once, a random part of the spread later', () => {
    const life = new Life()
    expect(life.send(heard(5), 0.5)).toEqual([])
    expect(forgettingWakeAtMs(life.state)).toBe(1_000)
    life.send(heard(7), 0.25)
    expect(life.wake()).toEqual([{ kind: 'raise', group, floor: 7 }])
    expect(life.send({ kind: 'woke' })).toEqual([])
  })

  test('is not raised for a horizon that is not higher', () => {
    const life = new Life()
    life.raised(5)
    life.collected([])
    for (const horizon of [0, 4, 5]) life.send(heard(horizon))
    expect(life.isResting).toBe(true)
  })

  test("is each group's own", () => {
    const life = new Life()
    life.raised(5)
    life.collected([])
    life.send(heard(3, otherGroup))
    expect(life.wake()).toEqual([{ kind: 'raise', group: otherGroup, floor: 3 }])
  })

  test('that another instance has raised leaves the rows to it', () => {
    const life = new Life()
    life.send(heard(5))
    life.wake()
    expect(life.send({ kind: 'raised', group, floor: 5 as Epoch, came: 'stood' })).toEqual([])
    expect(life.isResting).toBe(true)
  })

  test('makes ids at or below it too old, from the moment that its horizon was heard', () => {
    const life = new Life()
    life.send(heard(6))
    expect(isExpired(life.state, id)).toBe(false)
    life.send(heard(7))
    expect(isExpired(life.state, id)).toBe(true)
  })

  test('that an earlier life has left has its rows collected, and makes ids too old at once', () => {
    const life = new Life()
    life.send({ kind: 'started', floors: new Map([[group, 7 as Epoch]]) }, 0.5)
    expect(isExpired(life.state, id)).toBe(true)
    expect(forgettingWakeAtMs(life.state)).toBe(1_000)
    expect(life.wake()).toEqual([{ kind: 'collect', group, after: undefined }])
  })
})

describe('rows below a floor', () => {
  test('are collected page by page, until there are no more', () => {
    const life = new Life()
    expect(life.raised(9)).toEqual([{ kind: 'collect', group, after: undefined }])
    expect(life.collected([], id)).toEqual([{ kind: 'collect', group, after: id }])
    expect(life.collected([])).toEqual([])
    expect(life.isResting).toBe(true)
  })

  test('that are committed go only when the group has forgotten them; then the next page comes', () => {
    const life = new Life()
    life.raised(9)
    const [kept, gone] = [idOf(1), idOf(2)]
    expect(life.collected([kept, gone], gone)).toEqual([{ kind: 'sweep', group, rows: [row(kept), row(gone)] }])
    expect(life.answered({ [kept]: 'kept', [gone]: 'forgotten' })).toEqual([{ kind: 'forget', group, ids: [gone] }])
    expect(life.send({ kind: 'forgot', group })).toEqual([{ kind: 'collect', group, after: gone }])
  })

  test('that are kept do not keep the round from going on, and are gone through again, ever more seldom', () => {
    const life = new Life()
    life.raised(9)
    const pauses: number[] = []
    for (let round = 1; round <= 9; round += 1) {
      life.collected([id], id)
      expect(life.answered({ [id]: 'kept' })).toEqual([{ kind: 'collect', group, after: id }])
      life.collected([])
      const restedMs = life.nowMs
      expect(life.wake()).toEqual([{ kind: 'collect', group, after: undefined }])
      pauses.push(life.nowMs - restedMs)
    }
    expect(pauses.slice(0, 3)).toEqual([500, 1_000, 2_000])
    expect(pauses.at(-1)).toBe(30_000)
    life.collected([id])
    life.answered({ [id]: 'forgotten' })
    life.send({ kind: 'forgot', group })
    expect(life.isResting).toBe(true)
  })

  test('that are kept are not gone through more often because the horizon moves', () => {
    const life = new Life()
    life.raised(9)
    life.collected([id])
    life.answered({ [id]: 'kept' })
    const wakeAtMs = forgettingWakeAtMs(life.state)
    life.send(heard(10))
    expect(forgettingWakeAtMs(life.state)).toBe(wakeAtMs)
    expect(life.wake()).toEqual([{ kind: 'raise', group, floor: 10 }])
  })

  test('are never forgotten by an answer for rows that were not asked for', () => {
    const life = new Life()
    life.raised(9)
    expect(life.answered({ [id]: 'forgotten' })).toEqual([])
    life.collected([idOf(2)])
    expect(life.answered({ [id]: 'forgotten' })).toEqual([])
    expect(life.answered({ [id]: 'forgotten', [idOf(2)]: 'forgotten' })).toEqual([
      { kind: 'forget', group, ids: [idOf(2)] },
    ])
  })

  test('that the answer leaves out are asked for again', () => {
    const life = new Life()
    life.raised(9)
    life.collected([idOf(1), idOf(2)])
    life.answered({ [idOf(1)]: 'forgotten' })
    expect(life.send({ kind: 'forgot', group })).toEqual([{ kind: 'sweep', group, rows: [row(idOf(2))] }])
  })
})

test('an unanswered sweep is repeated, with pauses that double up to a maximum', () => {
  const life = new Life()
  life.raised(9)
  const begunMs = life.nowMs
  life.collected([id])
  const pauses: number[] = []
  for (let before = begunMs; pauses.length < 6; before = life.nowMs) {
    expect(life.wake()).toEqual([{ kind: 'sweep', group, rows: [row(id)] }])
    pauses.push(life.nowMs - before)
  }
  expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 7_500, 7_500]) // half of each, by the fraction
})

test('what the resource could not do is asked of it again, each step from where it was', () => {
  const life = new Life()
  const failed: ForgettingEvent = { kind: 'failed', group }
  life.send(heard(9))
  life.wake()
  life.send(failed)
  expect(life.wake()).toEqual([{ kind: 'raise', group, floor: 9 }])
  life.send({ kind: 'raised', group, floor: 9 as Epoch, came: 'raised' })
  life.collected([], id)
  life.send(failed)
  expect(life.wake()).toEqual([{ kind: 'collect', group, after: id }])
  life.collected([idOf(2)])
  life.answered({ [idOf(2)]: 'forgotten' })
  life.send(failed)
  expect(life.wake()).toEqual([{ kind: 'forget', group, ids: [idOf(2)] }])
})

test('a horizon that was heard while rows are collected is raised when that is done', () => {
  const life = new Life()
  life.raised(9)
  life.send(heard(11))
  expect(life.isResting).toBe(true)
  life.collected([])
  expect(life.wake()).toEqual([{ kind: 'raise', group, floor: 11 }])
})
