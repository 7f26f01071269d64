import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LogIndex } from '../src/message.ts'
import { acknowledged, createProgress, hasRoom, probeFrom, refused, sent, sentIndexOf } from '../src/progress.ts'

const at = (index: number): LogIndex => index as LogIndex

test('a follower is probed with one append until one fits, then several may be on their way', () => {
  const progress = createProgress(at(10))
  expect(hasRoom(progress, 4)).toBe(true)
  sent(progress, at(12))
  expect(hasRoom(progress, 4)).toBe(false)
  acknowledged(progress, at(12), at(12))
  expect(progress).toMatchObject({ mode: 'replicate', matchIndex: 12, nextIndex: 13 })
  for (const last of [13, 14, 15, 16]) {
    expect(hasRoom(progress, 4)).toBe(true)
    sent(progress, at(last))
  }
  expect(hasRoom(progress, 4)).toBe(false)
})

test('an answer frees the pipeline of everything up to what is on disk', () => {
  const progress = createProgress(at(0))
  acknowledged(progress, at(0), at(0))
  for (const last of [1, 2, 3, 4]) sent(progress, at(last))
  acknowledged(progress, at(3), at(3))
  expect(progress.inFlight).toEqual([4])
})

test('what was received and is not flushed yet ends the probing, but does not count as matched', () => {
  const progress = createProgress(at(5))
  sent(progress, at(8))
  acknowledged(progress, at(8), at(2))
  expect(progress).toMatchObject({ mode: 'replicate', nextIndex: 9, matchIndex: 2, inFlight: [8] })
})

test('a probe that was lost holds up nothing when a heartbeat shows that it would have fitted', () => {
  const progress = createProgress(at(0))
  sent(progress, at(1))
  acknowledged(progress, at(0), at(0))
  expect(progress).toMatchObject({ mode: 'replicate', nextIndex: 1, inFlight: [] })
  expect(hasRoom(progress, 1)).toBe(true)
})

test('a refusal of something older than what is asked now changes nothing', () => {
  const progress = createProgress(at(10))
  sent(progress, at(11))
  refused(progress, at(10), at(4))
  expect(progress).toMatchObject({ mode: 'probe', nextIndex: 4, inFlight: [] })
  refused(progress, at(10), at(2))
  expect(progress.nextIndex).toBe(4)
  acknowledged(progress, at(3), at(3))
  refused(progress, at(3), at(1))
  expect(progress).toMatchObject({ mode: 'replicate', nextIndex: 4 })
})

type Answer = {
  readonly kind: 'sent' | 'acknowledged' | 'refused' | 'lost'
  readonly one: number
  readonly other: number
}

test('in any order of answers, what matched stays matched and the next entry lies after it', () => {
  const answers = fc.array(
    fc.record<Answer>({
      kind: fc.constantFrom('sent', 'acknowledged', 'refused', 'lost'),
      one: fc.nat(20),
      other: fc.nat(20),
    }),
  )
  fc.assert(
    fc.property(answers, (history) => {
      const progress = createProgress(at(10))
      for (const { kind, one, other } of history) {
        const matchBefore = progress.matchIndex
        const [low, high] = [Math.min(one, other), Math.max(one, other)]
        if (kind === 'sent' && hasRoom(progress, 4)) sent(progress, at(progress.nextIndex + low))
        if (kind === 'acknowledged') acknowledged(progress, at(high), at(low))
        if (kind === 'refused') refused(progress, at(high), at(low))
        if (kind === 'lost') probeFrom(progress, at(low))
        expect(progress.matchIndex).toBeGreaterThanOrEqual(matchBefore)
        expect(progress.nextIndex).toBeGreaterThan(progress.matchIndex)
        expect(progress.inFlight.every((last) => last > progress.matchIndex)).toBe(true)
        expect(progress.inFlight.length).toBeLessThanOrEqual(4)
        expect(sentIndexOf(progress)).toBeGreaterThanOrEqual(progress.matchIndex)
      }
    }),
  )
})
