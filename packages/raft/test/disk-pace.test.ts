import { expect, test } from 'vitest'
import { DiskPace } from '../src/disk-pace.ts'

/** A pace that has seen commits which took so long, one right after the other from 0 on; and when the last one ended. */
function after(...tookMs: readonly number[]): { readonly pace: DiskPace; readonly nowMs: number } {
  const pace = new DiskPace()
  let nowMs = 0
  for (const took of tookMs) {
    pace.committed(nowMs, nowMs + took)
    nowMs += took
  }
  return { pace, nowMs }
}

test.each([
  ['nothing was committed yet', [], false],
  ['the last commit was quick', [10, 1], true],
  ['the last commit was slow', [1, 2], false],
])('the thread may wait when %s: %s %j', (_, tookMs, may) => {
  const { pace, nowMs } = after(...tookMs)
  expect(pace.mayWait(nowMs)).toBe(may)
})

test('after a stall the thread does not wait for a minute, however quick the disk is again', () => {
  const { pace, nowMs } = after(50, 1, 1, 1)
  expect(pace.mayWait(nowMs)).toBe(false)
  expect(pace.mayWait(50 + 59_999)).toBe(false)
  expect(pace.mayWait(50 + 60_000)).toBe(true)
})
