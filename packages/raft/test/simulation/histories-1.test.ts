import { expect, test } from 'vitest'
import { describeHistories } from './histories.ts'
import { runHistory } from './history.ts'

describeHistories(0)

test('a history is the same on every run of its seed', async () => {
  expect(await runHistory(7)).toEqual(await runHistory(7))
})
