import { expect, test } from 'vitest'
import { FakeGroup } from './fake-group.ts'
import { documented, shapeOf } from './reference.ts'
import { id, inDoubt, recorded, withHazards } from './samples.ts'

const group = (): FakeGroup =>
  new FakeGroup({
    leader: 'n1',
    silent: ['n2'],
    found: { ...recorded, branches: recorded.branches.toReversed() },
    reports: { n1: { inDoubt, withHazards, troubles: [{ id: id(4), kind: 'poisoned', note: 'a fault', ageMs: 1 }] } },
  })

test.each([
  { name: 'status', args: ['status'] },
  { name: 'txn show', args: ['txn', 'show', recorded.id] },
  { name: 'txn list', args: ['txn', 'list', '--in-doubt'] },
  { name: 'hazards', args: ['hazards'] },
])('verdict $name --json prints what the reference says, and nothing else', async ({ name, args }) => {
  const { out, err } = await group().run(...args, '--json')
  expect(shapeOf(JSON.parse(out))).toEqual(shapeOf(documented(name)))
  expect(err).toBe('')
})

test('a replica that does not answer, and a transaction that is not recorded, have the fields of the reference', async () => {
  const status = JSON.parse((await group().run('status', '--json')).out) as { replicas: unknown[] }
  const example = documented('status') as { replicas: unknown[] }
  expect(shapeOf(status.replicas[1])).toEqual(shapeOf(example.replicas[1]))

  const nothing = new FakeGroup({ leader: 'n1', found: { kind: 'none', id: id(1) } })
  const { out } = await nothing.run('txn', 'show', id(1), '--json')
  expect(shapeOf(JSON.parse(out))).toEqual(shapeOf(documented('txn show, nothing recorded')))
})
