import { join } from 'node:path'
import type { ReplicaId } from '@verdict/raft'
import { expect, test } from 'vitest'
import { audit, flawless } from '../raft/audit.ts'
import { Group } from '../raft/group.ts'
import { Load } from '../raft/load.ts'
import { SmallDisk } from '../raft/small-disk.ts'

const smallDiskBytes = 2 * 1024 * 1024
const lanes = 32
const someProposals = 300
const doomed = 'n1' as ReplicaId

test('a leader whose disk is full stops before it acknowledges anything that its disk does not hold, and the others go on', async (context) => {
  const disk = SmallDisk.mount(smallDiskBytes)
  if (typeof disk === 'string') return context.skip(disk)
  using mounted = disk
  await using group = await Group.start({
    machine: 'ledger',
    storeFolders: { [doomed]: join(mounted.folder, 'store') },
  })
  const load = new Load(group.bus, 'load')
  if ((await group.leader()).id !== doomed) await group.change('transfer', doomed)
  load.start(lanes)
  await group.replica(doomed).service.gone()
  await load.progress(someProposals)
  await load.stop()
  const words = group.replica(doomed).lastWords()
  expect(words).toMatchObject({ name: 'StoreError', code: 'failed' })
  // LMDB calls a write that was cut short an input/output error, and says of one that was refused where it stood.
  const expected =
    /(No space left on device|Input\/output error)(: Attempting to write page .*)?\. Nothing of it was acknowledged\. Make room/
  expect(words?.message).toMatch(expected)
  expect(await audit(group, load)).toEqual(flawless)
})
