import { ownerName, participantName } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { FakeGroup, nowMs } from './fake-group.ts'
import { id, recorded } from './samples.ts'

const committed = { ...recorded, outcome: 'committed', actor: { kind: 'owner' } } as const
const why = ['--by', 'alice', '--because', 'orders is down for good']
const abort = ['txn', 'abort', recorded.id, ...why]
const resolve = ['txn', 'resolve', recorded.id, '--participant', 'orders', ...why]
const resolved = {
  ...recorded,
  hazards: [
    {
      participant: participantName('orders'),
      kind: 'aborted-met-committed' as const,
      note: 'a row says committed',
      resolved: { by: 'alice', as: ownerName('ops'), because: 'deleted order 17', atMs: nowMs },
    },
  ],
}

describe('verdict txn abort', () => {
  test('orders it with who and why, and shows what is recorded and by whom', async () => {
    const found = { ...recorded, actor: { kind: 'operator', by: 'alice', as: ownerName('ops') } } as const
    const group = new FakeGroup({ leader: 'n1', operated: { done: 'recorded', found } })
    const { code, out, err } = await group.run(...abort, '--yes')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^outcome +aborted$/m)
    expect(out).toMatch(/^by +alice, an operator \(as ops\)$/m)
    const order = { kind: 'abort', by: 'alice', because: 'orders is down for good' }
    expect(group.orders).toMatchObject([{ id: recorded.id, order }])
  })

  test('of what is committed changes nothing, shows it, and ends with 5', async () => {
    const group = new FakeGroup({ leader: 'n1', operated: { done: 'recorded', found: committed } })
    const { code, out, err } = await group.run(...abort, '--yes')
    expect(code).toBe(5)
    expect(out).toMatch(/^outcome +committed$/m)
    expect(err).toContain('an outcome that is recorded stands')
  })

  test('of what the group does not know ends with 3, and does not say that it is aborted', async () => {
    const found = { kind: 'none', id: id(1) } as const
    const { code, err } = await new FakeGroup({ leader: 'n1', operated: { done: 'nothing', found } }).run(
      ...abort,
      '--yes',
    )
    expect(code).toBe(3)
    expect(err).toContain('nothing was aborted')
  })

  test.each([abort, resolve])(
    'without --yes, %s orders nothing, shows the transaction, and ends with 5',
    async (...args) => {
      const group = new FakeGroup({ leader: 'n1', found: recorded })
      const { code, out, err } = await group.run(...args)
      expect({ code, orders: group.orders }).toEqual({ code: 5, orders: [] })
      expect(out).toContain(recorded.id)
      expect(err).toMatch(/^verdict: Nothing was done\. .*say --yes\.$/m)
    },
  )

  test('ends with 6 when nobody answers: it may have been taken', async () => {
    const { code, out, err } = await new FakeGroup().run(...abort, '--yes')
    expect({ code, out }).toEqual({ code: 6, out: '' })
    expect(err).toContain('the same order twice is one')
  })

  test.each([
    ['nobody', abort.filter((word) => word !== '--by' && word !== 'alice')],
    ['no reason', abort.slice(0, -2)],
    ['an empty reason', [...abort.slice(0, -1), '  ']],
    ['too long a name', [...abort.slice(0, 4), 'a'.repeat(65), ...abort.slice(5)]],
    ['no id', ['txn', 'abort', 'order-17', ...why, '--yes']],
    ['no participant', ['txn', 'resolve', recorded.id, ...why]],
    ['a participant that cannot be one', ['txn', 'resolve', recorded.id, ...why, '--participant', 'A B']],
  ])('with %s ends with 2 before anybody is asked', async (_, args) => {
    const group = new FakeGroup({ leader: 'n1', found: recorded })
    expect(await group.run(...args)).toMatchObject({ code: 2, out: '' })
    expect(group.asked.size).toBe(0)
  })
})

describe('verdict txn resolve', () => {
  test('shows how the hazard was dealt with', async () => {
    const group = new FakeGroup({ leader: 'n1', operated: { done: 'recorded', found: resolved } })
    const { code, out } = await group.run(...resolve, '--yes')
    expect(code).toBe(0)
    expect(out).toContain(
      'resolved at orders: aborted-met-committed. a row says committed\n' +
        '  by alice (as ops) at 2026-03-01T10:21:00.000Z: deleted order 17\n',
    )
    expect(group.orders).toMatchObject([{ order: { kind: 'resolve', participant: 'orders', by: 'alice' } }])
  })

  test('says when a quarantined branch is rolled back', async () => {
    const group = new FakeGroup({ leader: 'n1', operated: { done: 'released', found: { kind: 'expired', id: id(1) } } })
    const { code, err } = await group.run(...resolve, '--yes')
    expect(code).toBe(0)
    expect(err).toContain('orders rolls its branch back')
  })

  test('ends with 3 when there is nothing to resolve', async () => {
    const group = new FakeGroup({ leader: 'n1', operated: { done: 'nothing', found: recorded } })
    const { code, err } = await group.run(...resolve, '--yes')
    expect(code).toBe(3)
    expect(err).toContain('waits for nothing of orders')
  })
})

test('verdict txn retry decides nothing, and says what it did', async () => {
  const group = new FakeGroup({ leader: 'n1', operated: { done: 'tried', found: committed } })
  const { code, out, err } = await group.run('txn', 'retry', recorded.id)
  expect(code).toBe(0)
  expect(out).toMatch(/^outcome +committed$/m)
  expect(err).toBe('Everybody whom it waits for is asked now.\n')
  expect(group.orders).toMatchObject([{ order: { kind: 'retry' } }])
})
