import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Schedule } from '../src/schedule.ts'

/** The plainest thing that is obviously right: a map that is searched. */
class Searched {
  private readonly wanted = new Map<string, number>()

  set(key: string, atMs: number | undefined): void {
    if (atMs === undefined) this.wanted.delete(key)
    else this.wanted.set(key, atMs)
  }

  nextMs(): number | undefined {
    return [...this.wanted.values()].toSorted((a, b) => a - b)[0]
  }

  /** The times of what is due; keys of the same time may come in any order. */
  takeDue(nowMs: number, keys: readonly string[]): (number | undefined)[] {
    const times = keys.map((key) => this.wanted.get(key))
    for (const key of keys) this.wanted.delete(key)
    expect(this.nextMs() ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(times.at(-1) ?? Number.NEGATIVE_INFINITY)
    expect(times.every((atMs) => atMs !== undefined && atMs <= nowMs)).toBe(true)
    return times
  }

  dueCount(nowMs: number): number {
    return [...this.wanted.values()].filter((atMs) => atMs <= nowMs).length
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('set' as const),
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
      atMs: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
    }),
    fc.record({
      kind: fc.constant('take' as const),
      nowMs: fc.integer({ min: 0, max: 20 }),
      limit: fc.integer({ min: 0, max: 4 }),
    }),
  ),
  { maxLength: 80 },
)

test('wakes the same keys at the same times as a map that is searched', () => {
  fc.assert(
    fc.property(steps, (sequence) => {
      const schedule = new Schedule<string>()
      const searched = new Searched()
      for (const step of sequence) {
        if (step.kind === 'set') {
          schedule.set(step.key, step.atMs)
          searched.set(step.key, step.atMs)
        } else {
          const expected = Math.min(step.limit, searched.dueCount(step.nowMs))
          const due = schedule.takeDue(step.nowMs, step.limit)
          const times = searched.takeDue(step.nowMs, due)
          expect(due.length).toBe(expected)
          expect(new Set(due).size).toBe(due.length)
          expect(times).toEqual(times.toSorted((a, b) => Number(a) - Number(b)))
        }
        expect(schedule.nextMs()).toBe(searched.nextMs())
      }
    }),
    { numRuns: 500 },
  )
})

test('a key that is moved again and again leaves nothing behind once its old times have passed', () => {
  const schedule = new Schedule<string>()
  for (let atMs = 1; atMs <= 1000; atMs += 1) schedule.set('a', atMs)
  expect(schedule.takeDue(999, 10)).toEqual([])
  expect(schedule.takeDue(1000, 10)).toEqual(['a'])
  expect(schedule.nextMs()).toBeUndefined()
})
