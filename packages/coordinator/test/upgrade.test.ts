import { expect, test } from 'vitest'
import { newestFormat } from '../src/format.ts'
import { group, owner } from './samples.ts'
import { on, Stage, settled } from './stage.ts'

const operators = { subject: on.operate(group, owner) }

test('raising the format to what it is takes no entry of the log', async () => {
  const stage = Stage.leading()
  const request = stage.ask({ type: 'upgrade', to: 1 }, operators)
  await settled()
  expect(stage.answers(request)).toEqual([{ type: 'upgraded', format: 1 }])
  expect(stage.replica.proposed).toEqual([])
})

test('what the leader itself does not read is not raised to', async () => {
  const stage = Stage.leading()
  const request = stage.ask({ type: 'upgrade', to: newestFormat + 1 }, operators)
  await settled()
  expect(stage.answers(request)).toMatchObject([{ type: 'failure', code: 'unreadable-format' }])
  expect(stage.replica.proposed).toEqual([])
})

test('nobody raises it where everybody may ask', async () => {
  const stage = Stage.leading()
  const request = stage.ask({ type: 'upgrade', to: 1 })
  await settled()
  expect(stage.answers(request)).toMatchObject([{ type: 'failure', code: 'malformed-message' }])
})

test('and nothing else is ordered', async () => {
  const stage = Stage.leading()
  const request = stage.ask({ type: 'hello' }, operators)
  expect(stage.answers(request)).toMatchObject([{ type: 'failure', code: 'malformed-message' }])
})
