import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LmdbResource, type LmdbSession, lmdb } from '@verdict/lmdb'
import { describeResource, type ResourceHarness } from '@verdict/testing'
import { describe, test } from 'vitest'

const harness: ResourceHarness<LmdbSession> = {
  // Nothing that was written fails at prepare, and there is neither a connection nor a standby.
  lacks: ['spoil', 'losePrepareAnswer', 'loseCommitAnswer', 'failover'],
  async create() {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-lmdb-'))
    const abandoned: LmdbResource[] = []
    let lives = 0
    let path = join(folder, 'store')
    let current: LmdbResource | undefined
    const open = (): LmdbResource => lmdb({ path, capacity: 100, durability: 'weak' })
    return {
      isShared: false,
      instance() {
        current = open()
        return current
      },
      read: async ({ store }, key) => (await store.get(key)) as string | undefined,
      write: ({ store }, key, value) => store.put(key, value),
      committed: async (key) => current?.read(key) as string | undefined,
      // What the file holds at this moment is what a killed process leaves behind.
      async crash() {
        if (current) abandoned.push(current)
        lives += 1
        const next = join(folder, `life ${lives}`)
        mkdirSync(next)
        copyFileSync(join(path, 'data.mdb'), join(next, 'data.mdb'))
        path = next
      },
      async unfit() {
        await current?.stop()
        current = open()
        await current.start({ participant: 'somebody-else' as never })
        await current.stop()
        return open()
      },
      async dispose() {
        for (const resource of abandoned) await resource.stop()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },
}

describeResource('lmdb', harness, { describe, test })
