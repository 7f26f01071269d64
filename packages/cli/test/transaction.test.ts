import { describe, expect, test } from 'vitest'
import { FakeGroup } from './fake-group.ts'
import { id, inDoubt, recorded } from './samples.ts'

describe('verdict txn show', () => {
  test('shows outcome, reason, votes and hazards', async () => {
    const { code, out } = await new FakeGroup({ leader: 'n1', found: recorded }).run('txn', 'show', recorded.id)
    expect(code).toBe(0)
    expect(out).toMatch(/^outcome +aborted$/m)
    expect(out).toMatch(/^reason +payments: Too little\. \(insufficient-funds\)$/m)
    expect(out).toMatch(/^by +orders, which held a prepared branch$/m)
    expect(out).toMatch(/^settled +no/m)
    expect(out).toMatch(/^decided +2026-03-01T10:19:30\.000Z \(1 min ago\)$/m)
    expect(out).toMatch(/^payments +refused +[a-z2-7]{20}$/m)
    expect(out).toMatch(/^orders +unknown +-$/m)
    expect(out).toMatch(/^trace +1{32}$/m)
    expect(out).toContain('hazard at orders: aborted-met-committed. a row says committed')
  })

  test.each(['none', 'expired'] as const)('of one that is %s says so, never that it is aborted', async (kind) => {
    const group = new FakeGroup({ leader: 'n1', found: { kind, id: id(1) } })
    const { code, out, err } = await group.run('txn', 'show', id(1))
    expect({ code, out }).toEqual({ code: 3, out: '' })
    expect(err).toContain('nothing is recorded')
    expect(err.replace('That does not mean aborted', '')).not.toContain('aborted')
  })

  test('refuses what is no id before it asks anybody', async () => {
    const group = new FakeGroup({ leader: 'n1' })
    const { code, err } = await group.run('txn', 'show', 'order-17')
    expect(code).toBe(2)
    expect(err).toContain('"order-17" is not a transaction id')
    expect(group.asked.get('look')).toBeUndefined()
  })

  test('ends with 4 when nobody leads', async () => {
    expect((await new FakeGroup().run('txn', 'show', id(1))).code).toBe(4)
  })
})

describe('verdict txn list --in-doubt', () => {
  test('lists the oldest first, with age and who is waited for', async () => {
    const group = new FakeGroup({ leader: 'n1', reports: { n1: { unsettled: 7, inDoubt } } })
    const { code, out } = await group.run('txn', 'list', '--in-doubt')
    const [title, , , ...rows] = out.trimEnd().split('\n')
    expect(title).toContain('7 unsettled, the 2 oldest of them')
    expect(rows.map((row) => row.split(/ {2,}/))).toEqual([
      [id(3), 'committed', '2 h', 'orders, payments', '0'],
      [id(2), 'committed', '5 s', 'orders, payments', '0'],
    ])
    expect(code).toBe(0)
  })

  test('says so when there is none', async () => {
    const { code, out } = await new FakeGroup({ leader: 'n1' }).run('txn', 'list', '--in-doubt')
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('no transaction is in doubt') })
  })

  test('does not take the word of a replica that leads no more', async () => {
    const group = new FakeGroup({ leader: 'n1', reports: { n1: { role: 'follower', inDoubt } } })
    expect(await group.run('txn', 'list', '--in-doubt')).toMatchObject({ code: 4, out: '' })
  })
})
