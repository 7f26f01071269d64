import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { systemClock, systemRandom } from '@verdict/runtime'
import { expect, test } from 'vitest'
import { until } from './patience.ts'

test('a timer fires once, no earlier than asked for, by the clock that roles read', async () => {
  const early: number[] = []
  let fired = 0
  const count = 50
  for (let number = 0; number < count; number++) {
    const dueMs = systemClock.nowMs() + number / 3
    systemClock.after(number / 3, () => {
      fired++
      if (systemClock.nowMs() < dueMs) early.push(number)
    })
  }
  await until(() => fired >= count)
  expect({ fired, early }).toEqual({ fired: count, early: [] })
})

test('a timer that was called off does not fire, and one in a far future does not fire at once', async () => {
  const fired: string[] = []
  const called = systemClock.after(1, () => fired.push('called off'))
  const far = systemClock.after(2 ** 40, () => fired.push('far'))
  called.cancel()
  systemClock.after(20, () => fired.push('last'))
  await until(() => fired.includes('last'))
  far.cancel()
  expect(fired).toEqual(['last'])
})

test('a timer keeps no process alive', async () => {
  const program = "import { systemClock } from '@verdict/runtime'; systemClock.after(3_600_000, () => {})"
  const args = ['--conditions=@verdict/source', '--input-type=module', '--eval', program]
  const { stderr } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname })
  expect(stderr).toBe('')
})

test('wall time counts from the Unix epoch', () => {
  expect(new Date(systemClock.wallMs()).getUTCFullYear()).toBeGreaterThanOrEqual(2026)
})

test('random bytes have the length asked for, and repeat as seldom as they should', () => {
  const drawn = new Set(Array.from({ length: 100 }, () => Buffer.from(systemRandom.bytes(16)).toString('hex')))
  expect(drawn.size).toBe(100)
  expect([...drawn].every((hex) => hex.length === 32)).toBe(true)
  const fraction = systemRandom.fraction()
  expect(fraction >= 0 && fraction < 1).toBe(true)
})
