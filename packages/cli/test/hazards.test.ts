import { participantName } from '@verdict/protocol'
import { expect, test } from 'vitest'
import { FakeGroup } from './fake-group.ts'
import { id, inDoubt, withHazards } from './samples.ts'

test('verdict hazards lists what nobody has dealt with, and what is stuck', async () => {
  const troubles = [
    { id: id(4), participant: participantName('payments'), kind: 'failing' as const, note: 'disk full', ageMs: 90_000 },
    { id: id(5), kind: 'poisoned' as const, note: 'a fault', ageMs: 1_000 },
  ]
  const group = new FakeGroup({ leader: 'n1', reports: { n1: { hazardous: 1, withHazards, troubles } } })
  const { code, out } = await group.run('hazards')
  const [title, ...lines] = out.trimEnd().split('\n')
  expect(title).toMatch(/^group main_[a-z2-7]{13}: 1 with an open hazard, 2 in trouble$/)
  expect(lines.map((row) => row.split(/ {2,}/))).toEqual([
    [''],
    ['TRANSACTION', 'OUTCOME', 'AGE', 'PARTICIPANT', 'HAZARD', 'NOTE'],
    [id(2), 'committed', '5 s', 'orders', 'effects-lost', 'found: nothing'],
    [''],
    ['TRANSACTION', 'PARTICIPANT', 'TROUBLE', 'FOR', 'NOTE'],
    [id(4), 'payments', 'failing', '1 min', 'disk full'],
    [id(5), '-', 'poisoned', '1 s', 'a fault'],
  ])
  expect(code).toBe(0)
})

test('verdict hazards says so when there is nothing', async () => {
  const { code, out } = await new FakeGroup({ leader: 'n1' }).run('hazards')
  expect(out).toMatch(/: 0 with an open hazard, 0 in trouble\n$/)
  expect(code).toBe(0)
})

test('verdict status shows the age of the oldest, open hazards and troubles', async () => {
  const troubles = [{ id: id(4), kind: 'poisoned' as const, note: 'a fault', ageMs: 1_000 }]
  const group = new FakeGroup({ leader: 'n1', reports: { n1: { inDoubt, hazardous: 2, troubles, unsettled: 2 } } })
  const { out } = await group.run('status')
  expect(out).toMatch(/^n1 +leader +3 +n1 +12 +11 +10 +4 +2 +0 +2 h +2 +1 +1 +0\.1\.0$/m)
})
