import { describe, expect, test } from 'vitest'
import { FakeGroup } from './fake-group.ts'
import { documented, shapeOf } from './reference.ts'

const next = { version: '0.2.0', newestFormat: 2 }
const rolled = { n1: next, n2: next, n3: next }

describe('verdict group upgrade', () => {
  test('raises the format to what every replica reads', async () => {
    const group = new FakeGroup({ leader: 'n1', reports: rolled, upgraded: 2 })
    const { code, out } = await group.run('group', 'upgrade')
    expect(out).toMatch(/^group main_[a-z2-7]{13} has format 2 now, it had 1\n$/)
    expect(code).toBe(0)
  })

  test('prints as JSON what the reference says', async () => {
    const group = new FakeGroup({ leader: 'n1', reports: rolled, upgraded: 2 })
    const { out } = await group.run('group', 'upgrade', '--json')
    expect(shapeOf(JSON.parse(out))).toEqual(shapeOf(documented('group upgrade')))
  })

  test('changes nothing while a replica runs the release before, names it, and ends with 5', async () => {
    const group = new FakeGroup({ leader: 'n1', reports: { n1: next, n2: next }, upgraded: 2 })
    const { code, out, err } = await group.run('group', 'upgrade')
    expect({ code, out }).toEqual({ code: 5, out: '' })
    expect(err).toContain('n3 (release 0.1.0, format 1) would stop')
    expect(group.asked.get('upgrade')).toBeUndefined()
  })

  test('changes nothing while a replica is silent: it may run the release before', async () => {
    const group = new FakeGroup({ leader: 'n1', reports: rolled, silent: ['n3'], upgraded: 2 })
    const { code, err } = await group.run('group', 'upgrade')
    expect(code).toBe(5)
    expect(err).toContain('n3 did not answer')
    expect(group.asked.get('upgrade')).toBeUndefined()
  })

  test('asks for nothing where nothing is to be raised', async () => {
    const group = new FakeGroup({ leader: 'n1', upgraded: 1 })
    const { code, out } = await group.run('group', 'upgrade')
    expect(out).toContain('has format 1 already')
    expect(code).toBe(0)
    expect(group.asked.get('upgrade')).toBeUndefined()
  })

  test('without an answer, says that it may have happened, and ends with 6', async () => {
    const { code, err } = await new FakeGroup({ leader: 'n1', reports: rolled }).run('group', 'upgrade')
    expect(code).toBe(6)
    expect(err).toContain('may have raised the format')
  })
})
