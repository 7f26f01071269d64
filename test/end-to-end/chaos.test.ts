import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { killLeaders } from '../chaos/leader-kills.ts'

const chaos = join(import.meta.dirname, '..', 'chaos', 'chaos.ts')
const kills = 3

test('a client whose commit met a dying leader goes on at the next one: no abort, no doubt, no second execution', async () => {
  const seen = await killLeaders(kills, () => undefined)
  expect(seen).toMatchObject({ kills, aborted: 0, doubts: 0, executedAgain: 0, open: [], balanced: true })
  expect(seen.inFlight).toBeGreaterThan(0)
  expect(seen.committed).toBeGreaterThan(0)
})

test('money neither comes nor goes while everything breaks at random, and the audit says so', async () => {
  const args = ['--conditions=@verdict/source', chaos, '--minutes', '0.2', '--seed', '1']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(stdout).toContain('The books balance.')
  expect(stdout).toContain('CHAOS SURVIVED.')
})
