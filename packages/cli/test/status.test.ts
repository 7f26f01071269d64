import { writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FakeGroup, manifest } from './fake-group.ts'

describe('verdict status', () => {
  test('shows all replicas in one table, and those that do not answer as such', async () => {
    const { code, out, err } = await new FakeGroup({ leader: 'n2', silent: ['n3'] }).run('status')
    const [title, , head, ...rows] = out.split('\n')
    expect(title).toMatch(/^group main_[a-z2-7]{13}, led by n2$/)
    expect(head?.split(/ {2,}/).slice(0, 3)).toEqual(['REPLICA', 'ROLE', 'TERM'])
    expect(rows[0]).toMatch(/^n1 +follower +3 +n2 +12 +11 +10 +4 +0 +0 +- +0 +0 +1 +0\.1\.0$/)
    expect(rows[1]).toMatch(/^n2 +leader /)
    expect(rows[2]).toMatch(/^n3 +no answer( +-){13}$/)
    expect({ code, err }).toEqual({ code: 0, err: '' })
  })

  test('takes the one that leads in the highest term for the leader: a deposed one does not know yet', async () => {
    const reports = { n1: { role: 'leader', leader: 'n1', term: 2 } } as const
    const { out } = await new FakeGroup({ leader: 'n2', reports }).run('status', '--json')
    expect(JSON.parse(out)).toMatchObject({ leader: 'n2', replicas: [{ role: 'leader' }, { role: 'leader' }, {}] })
  })

  test('without a leader, asks the replicas of the manifest, and ends with 4', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'verdict-cli-'))
    const file = join(folder.path, 'manifest.json')
    writeFileSync(file, JSON.stringify(manifest))
    const { code, out, err } = await new FakeGroup({ silent: ['n1'] }).run('status', '--json', '--manifest', file)
    expect(JSON.parse(out)).toMatchObject({
      leader: null,
      replicas: [{ replica: 'n1', answered: false }, { role: 'follower' }, { role: 'follower' }],
    })
    expect(code).toBe(4)
    expect(err).toContain('No replica leads')
  })

  test('without a leader and a manifest, says how to see the replicas, and ends with 4', async () => {
    const { code, out, err } = await new FakeGroup().run('status')
    expect({ code, out }).toEqual({ code: 4, out: '' })
    expect(err).toContain('verdict status --manifest FILE')
  })
})
