import { describe, expect, test } from 'vitest'
import { advanceResending, newResending, type ResendEvent, type Resending, resendWakeAtMs } from '../src/resend.ts'

const timing = { resendMs: 100, maxResendMs: 400, unreachableMs: 10, patienceMs: 50 }

function tell(state: Resending, kind: ResendEvent['kind'], nowMs: number, spread = 0) {
  return advanceResending(state, { kind }, nowMs, spread, timing)
}

describe('a question', () => {
  test('is sent again after pauses that double up to the longest one', () => {
    const state = newResending(10_000)
    const sentAtMs: number[] = []
    for (let nowMs = 0; sentAtMs.length < 6; nowMs = resendWakeAtMs(state)) {
      const effects = tell(state, sentAtMs.length === 0 ? 'begun' : 'woke', nowMs)
      expect(effects).toEqual([{ kind: 'send', unheard: false }])
      sentAtMs.push(nowMs)
    }
    expect(sentAtMs).toEqual([0, 100, 300, 700, 1_100, 1_500])
  })

  test('has its pauses stretched by up to a half', () => {
    const state = newResending(10_000)
    tell(state, 'begun', 0, 0.999)
    expect(resendWakeAtMs(state)).toBeCloseTo(149.95)
  })

  test('is not sent before its time', () => {
    const state = newResending(10_000)
    tell(state, 'begun', 0)
    expect(tell(state, 'woke', 99)).toEqual([])
  })

  test('is sent again soon when nobody listened, and given up when nobody does for long', () => {
    const state = newResending(10_000)
    tell(state, 'begun', 0)
    expect(tell(state, 'unreachable', 1)).toEqual([])
    expect(resendWakeAtMs(state)).toBe(11)
    expect(tell(state, 'woke', 11)).toEqual([{ kind: 'send', unheard: true }])
    expect(tell(state, 'unreachable', 12)).toEqual([])
    expect(resendWakeAtMs(state)).toBe(32)
    expect(tell(state, 'woke', 32)).toEqual([{ kind: 'send', unheard: true }])
    expect(tell(state, 'unreachable', 51)).toEqual([{ kind: 'giveUp', why: 'unreachable' }])
  })

  test('takes a doubled word that nobody listened as one', () => {
    const state = newResending(10_000)
    tell(state, 'begun', 0)
    tell(state, 'unreachable', 1)
    tell(state, 'unreachable', 90)
    expect(state.over).toBe(false)
  })

  test('is patient anew once somebody may have heard it', () => {
    const state = newResending(10_000)
    tell(state, 'begun', 0)
    tell(state, 'unreachable', 1)
    tell(state, 'woke', 11)
    tell(state, 'woke', 211)
    expect(tell(state, 'unreachable', 212)).toEqual([])
    expect(state.over).toBe(false)
  })

  test('that is postponed is asked again after the first pause, not after the present one', () => {
    const state = newResending(10_000)
    for (const nowMs of [0, 100, 300]) tell(state, nowMs === 0 ? 'begun' : 'woke', nowMs)
    tell(state, 'postponed', 310)
    expect(resendWakeAtMs(state)).toBe(410)
  })

  test('is given up at its deadline, and nothing moves it after that', () => {
    const state = newResending(50)
    tell(state, 'begun', 0)
    expect(resendWakeAtMs(state)).toBe(50)
    expect(tell(state, 'woke', 50)).toEqual([{ kind: 'giveUp', why: 'no-answer' }])
    for (const kind of ['begun', 'unreachable', 'postponed', 'woke'] as const) expect(tell(state, kind, 60)).toEqual([])
  })
})
