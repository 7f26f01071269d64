import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { recordOf } from '@verdict/coordinator/internal'
import { expect, test } from 'vitest'
import { GroupOfOne } from './group-of-one.ts'
import { simulate } from './simulated.ts'

test('R11: a group holds what it decided within its retention, in memory and on disk, and what is not settled', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'verdict-soak-'))
  const load = { transactions: 16_000, perEpoch: 400, keptEpochs: 3 }
  try {
    await using group = await GroupOfOne.start(folder, { retainedEntries: 1_000 })
    const { samples, mostKept, late } = await simulate(group, load, 40)
    // One epoch more than are kept is under way, and a few are late.
    expect(mostKept).toBeLessThanOrEqual((load.keptEpochs + 1) * load.perEpoch + 20)
    for (const id of late) expect(recordOf(group.space, id)).toMatchObject({ outcome: 'committed', settled: false })
    expect(late.length).toBeGreaterThan(0)
    const bytes = samples.map(({ values }) => values[1] ?? 0)
    const half = bytes.length / 2
    expect(Math.max(...bytes.slice(half))).toBeLessThanOrEqual(1.1 * Math.max(...bytes.slice(0, half)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
