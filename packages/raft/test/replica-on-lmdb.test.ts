import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '@verdict/runtime'
import { expect, test } from 'vitest'
import {
  initLmdbStore,
  openLmdbStore,
  type Replica,
  type ReplicaId,
  type StateMachine,
  startReplica,
} from '../src/index.ts'
import { LocalBus } from './local-bus.ts'

const members = ['n1', 'n2', 'n3'] as ReplicaId[]

/** Keeps how often each command was applied. */
const machine: StateMachine<number> = {
  apply(space, index, command) {
    const key = `count/${Buffer.from(command).toString()}`
    space.put(key, Buffer.from(`${Number(Buffer.from(space.get(key) ?? '0').toString()) + 1}`))
    return index
  },
}

/** Starts a group, and resolves with whoever of it is ready to serve. */
async function start(folder: string): Promise<{ leader: Replica<number>; all: readonly Replica<number>[] }> {
  const local = new LocalBus()
  const all: Replica<number>[] = []
  const elected = Promise.withResolvers<ReplicaId>()
  for (const id of members) {
    const store = await openLmdbStore({ path: join(folder, id), group: 'g', replica: id, members })
    const world = { clock: systemClock, random: systemRandom, bus: local.bus() }
    const replica = await startReplica({
      id,
      store,
      machine,
      world,
      subject: (from, to) => `raft.${from}.${to}`,
      onEvent: ({ kind }) => {
        if (kind === 'becameLeader') elected.resolve(id)
      },
    })
    all.push(replica)
  }
  const leader = all[members.indexOf(await elected.promise)]
  if (leader === undefined) throw new Error('Whoever was elected is a member.')
  return { leader, all }
}

test('three replicas on LMDB and the real clock apply each command once, and have all of it after a restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'verdict-raft-'))
  try {
    for (const id of members) await initLmdbStore({ path: join(folder, id), group: 'g', replica: id, members })
    const commands = Array.from({ length: 500 }, (_, place) => `c${place}`)
    const first = await start(folder)
    await Promise.all(commands.map((text) => first.leader.propose(Buffer.from(text))))
    await first.leader.confirmLeadership()
    await Promise.all(first.all.map((replica) => replica.stop()))
    const second = await start(folder)
    await second.leader.propose(Buffer.from('last'))
    const counts = second.leader.space.list('count/', 1000).map(([, value]) => Buffer.from(value).toString())
    expect(counts).toEqual(Array.from({ length: 501 }, () => '1'))
    await Promise.all(second.all.map((replica) => replica.stop()))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
