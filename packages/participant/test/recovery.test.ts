import { maxBranches, maxIdsPerMessage, type ParticipantName, sealList, type TransactionId } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import {
  advanceRecovery,
  type Doubt,
  newRecovery,
  type Recovery,
  type RecoveryEvent,
  recoveryWakeAtMs,
} from '../src/recovery.ts'
import { calledList, digestNumber, group, id, idOf, instanceOf, otherGroup, tokenOf } from './names.ts'

const limits = {
  inquireAfterMs: 5_000,
  inquiryPauseMs: 1_000,
  maxInquiryPauseMs: 15_000,
  inquirySpreadMs: 1_000,
  inquiryWaveMs: 50,
  maxDoubts: 600,
}
const doubtOf = (of: TransactionId): Doubt => ({ id: of, digest: digestNumber(1), token: tokenOf(1) })

/** Sends an event and gives the ids that are inquired about. */
function send(recovery: Recovery, event: RecoveryEvent, nowMs: number): readonly TransactionId[] {
  return advanceRecovery(recovery, event, nowMs, limits).flatMap(({ branches }) => branches.map((branch) => branch.id))
}

const woke: RecoveryEvent = { kind: 'woke', fraction: 0 }

describe('a branch that was prepared just now', () => {
  test('is left to its leader until the minimum age, then asked about', () => {
    const recovery = newRecovery()
    send(recovery, { kind: 'held', doubt: doubtOf(id) }, 0)
    expect(recoveryWakeAtMs(recovery)).toBe(5_000)
    expect(send(recovery, woke, 4_999)).toEqual([])
    expect(send(recovery, woke, 5_000)).toEqual([id])
  })

  test('is not asked about earlier because a leader announces itself', () => {
    const recovery = newRecovery()
    send(recovery, { kind: 'held', doubt: doubtOf(id) }, 0)
    send(recovery, { kind: 'announced', group, term: 2, fraction: 0 }, 100)
    expect(send(recovery, woke, 4_999)).toEqual([])
  })

  test('is not asked about once it has ended', () => {
    const recovery = newRecovery()
    send(recovery, { kind: 'held', doubt: doubtOf(id) }, 0)
    send(recovery, { kind: 'ended', id }, 10)
    expect(send(recovery, woke, 60_000)).toEqual([])
  })
})

test('without an answer it is asked again, with pauses that double up to a maximum', () => {
  const recovery = newRecovery()
  send(recovery, { kind: 'held', doubt: doubtOf(id) }, 0)
  const askedAtMs: number[] = []
  for (let nowMs = 0; nowMs <= 60_000; nowMs += 500) {
    if (send(recovery, { kind: 'woke', fraction: 0.999 }, nowMs).length > 0) askedAtMs.push(nowMs)
  }
  expect(askedAtMs.slice(0, 5)).toEqual([5_000, 6_000, 8_000, 12_000, 20_000])
  const pauses = askedAtMs.slice(1).map((atMs, position) => atMs - (askedAtMs[position] ?? 0))
  expect(Math.max(...pauses)).toBe(15_000)
})

test('an announcement of its own group brings the question forward, by a random part of the spread', () => {
  const recovery = newRecovery()
  send(recovery, { kind: 'held', doubt: doubtOf(id) }, 0)
  for (const atMs of [5_000, 7_000, 11_000, 20_000]) send(recovery, { kind: 'woke', fraction: 0.999 }, atMs)
  send(recovery, { kind: 'announced', group: otherGroup, term: 9, fraction: 0 }, 21_000)
  expect(send(recovery, woke, 21_000)).toEqual([])
  send(recovery, { kind: 'announced', group, term: 2, fraction: 0.5 }, 21_000)
  expect(recoveryWakeAtMs(recovery)).toBe(21_500)
  expect(send(recovery, woke, 21_499)).toEqual([])
  expect(send(recovery, woke, 21_500)).toEqual([id])
})

test('a leader that announces itself again is asked in the usual course', () => {
  const recovery = newRecovery()
  send(recovery, { kind: 'held', doubt: doubtOf(id) }, 0)
  send(recovery, { kind: 'announced', group, term: 2, fraction: 0 }, 6_000)
  expect(send(recovery, woke, 6_000)).toEqual([id])
  send(recovery, { kind: 'announced', group, term: 2, fraction: 0 }, 6_100)
  expect(send(recovery, woke, 6_400)).toEqual([])
  send(recovery, { kind: 'announced', group, term: 3, fraction: 0 }, 6_450)
  expect(send(recovery, woke, 6_450)).toEqual([id])
})

test('tens of thousands of branches in doubt ask in waves of one message, none of them left out', () => {
  const recovery = newRecovery()
  const count = 60_000
  for (let n = 0; n < count; n += 1) send(recovery, { kind: 'held', doubt: doubtOf(idNumber(n)) }, n / 30)
  send(recovery, { kind: 'announced', group, term: 2, fraction: 0.5 }, 10_000)
  let [asked, most] = [0, 0]
  let waves = 0
  for (let atMs = 10_500; atMs < 20_500; atMs += 10) {
    const branches = send(recovery, woke, atMs)
    asked += branches.length
    most = Math.max(most, branches.length)
    if (branches.length > 0) waves += 1
  }
  expect([waves, asked, most]).toEqual([200, 200 * maxIdsPerMessage, maxIdsPerMessage])
}, 30_000)

describe('what the resource shows', () => {
  test('is asked about soon when it is old, and at the minimum age when it is not', () => {
    const recovery = newRecovery()
    send(recovery, { kind: 'found', doubt: doubtOf(idOf(1)), old: true, fraction: 0.25 }, 0)
    send(recovery, { kind: 'found', doubt: doubtOf(idOf(2)), old: false, fraction: 0.25 }, 0)
    expect(send(recovery, woke, 250)).toEqual([idOf(1)])
    expect(send(recovery, { kind: 'woke', fraction: 0 }, 5_250)).toContain(idOf(2))
  })

  test('does not set back what is known, and brings a list that was not', () => {
    const recovery = newRecovery()
    const list = calledList(instanceOf(1), tokenOf(1), 1)
    send(recovery, { kind: 'found', doubt: doubtOf(id), old: true, fraction: 0 }, 0)
    send(recovery, { kind: 'found', doubt: { ...doubtOf(id), list }, old: false, fraction: 0.9 }, 10)
    send(recovery, { kind: 'found', doubt: doubtOf(id), old: true, fraction: 0.9 }, 20)
    expect(advanceRecovery(recovery, woke, 30, limits)).toEqual([{ group, branches: [{ ...doubtOf(id), list }] }])
  })

  test('takes the place of what memory had under another token', () => {
    const recovery = newRecovery()
    send(recovery, { kind: 'held', doubt: doubtOf(id) }, 0)
    const shown = { ...doubtOf(id), token: tokenOf(2) }
    send(recovery, { kind: 'found', doubt: shown, old: true, fraction: 0 }, 10)
    expect(advanceRecovery(recovery, woke, 10, limits)).toEqual([{ group, branches: [shown] }])
  })

  test('is watched up to a limit; what this instance prepared always is', () => {
    const recovery = newRecovery()
    const many = Array.from(
      { length: limits.maxDoubts + 5 },
      (_, n) => `${id.slice(0, -3)}${threeLetters(n)}` as TransactionId,
    )
    for (const one of many) send(recovery, { kind: 'found', doubt: doubtOf(one), old: true, fraction: 0 }, 0)
    expect(recovery.watched.size).toBe(limits.maxDoubts)
    send(recovery, { kind: 'held', doubt: doubtOf(idOf(9)) }, 0)
    expect(recovery.watched.size).toBe(limits.maxDoubts + 1)
  })
})

test('a wave carries at most 256 ids, and few of them when their lists are long; the rest follows in the next waves', () => {
  const many = Array.from({ length: 300 }, (_, n) => `${id.slice(0, -3)}${threeLetters(n)}` as TransactionId)
  const long = sealList(
    Array.from({ length: maxBranches }, (_, n) => ({
      kind: 'called',
      participant: `p${n}` as ParticipantName,
      instance: instanceOf(1),
      token: tokenOf(1),
      calls: 1,
    })),
  )
  const sizes = (list?: typeof long): number[] => {
    const recovery = newRecovery()
    for (const one of many) {
      send(recovery, { kind: 'held', doubt: { ...doubtOf(one), ...(list && { list }) } }, 0)
    }
    const sizes: number[] = []
    for (let atMs = recoveryWakeAtMs(recovery); atMs !== undefined && atMs < 5_500; atMs = recoveryWakeAtMs(recovery)) {
      sizes.push(...advanceRecovery(recovery, woke, atMs, limits).map(({ branches }) => branches.length))
    }
    return sizes
  }
  expect(sizes()).toEqual([256, 44])
  expect(Math.max(...sizes(long)) * maxBranches).toBeLessThanOrEqual(4_000)
  expect(sizes(long).reduce((sum, size) => sum + size, 0)).toBe(300)
})

function idNumber(n: number): TransactionId {
  return `${id.slice(0, -6)}${threeLetters(n / 17_576)}${threeLetters(n % 17_576)}` as TransactionId
}

function threeLetters(n: number): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  return [n / 676, n / 26, n].map((place) => letters[Math.floor(place) % 26]).join('')
}
