import { setTimeout as pause } from 'node:timers/promises'
import { defaultSettings, type ReplicaId } from '@verdict/raft'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { audit, flawless } from '../raft/audit.ts'
import { crashReplicas } from '../raft/crashes.ts'
import { Group } from '../raft/group.ts'
import { Load } from '../raft/load.ts'

const lanes = 32
/** Acknowledged before anything happens, and after it. */
const someProposals = 300
const crashMs = 12_000
/** So little of the log stays that whoever is away for a moment, or new, needs a snapshot. */
const settings = { retainedEntries: 200, entriesInMemory: 64 }
const { electionTimeoutMinMs, electionTimeoutMaxMs } = defaultSettings

let group: Group
let load: Load

beforeAll(async () => {
  group = await Group.start({ machine: 'ledger', settings })
  load = new Load(group.bus, 'load')
  load.start(lanes)
  await load.progress(someProposals)
})
afterAll(async () => {
  await load?.stop()
  await group?.[Symbol.asyncDispose]()
})

test('kill -9 of leaders, followers and two at once under load loses nothing that was acknowledged and applies nothing twice', async () => {
  const crashes = await crashReplicas(group, load, crashMs)
  expect(Math.min(crashes.leaders, crashes.followers, crashes.pairs)).toBeGreaterThan(0)
  await expectFlawless()
})

test('a follower that stands still for longer than an election does not disturb the others, and catches up', async () => {
  const before = await group.leader()
  const follower = otherThan(before.id)
  group.replica(follower).suspend()
  await Promise.all([pause(2 * electionTimeoutMaxMs), load.progress(someProposals)])
  group.replica(follower).resume()
  await load.progress(someProposals)
  const after = await group.leader()
  expect({ id: after.id, term: after.term }).toEqual({ id: before.id, term: before.term })
  await expectFlawless()
})

test('a leader whose followers stand still acknowledges nothing, as its end right then shows', async () => {
  const { id: leader } = await group.leader()
  const followers = [...group.replicas.keys()].filter((id) => id !== leader)
  for (const id of followers) group.replica(id).suspend()
  await pause(electionTimeoutMinMs / 2)
  await group.replica(leader).service.kill()
  for (const id of followers) group.replica(id).resume()
  await load.progress(someProposals)
  await group.replica(leader).service.start()
  await expectFlawless()
})

test('a leader that stands still for longer than an election is followed no more, and what it acknowledged stays', async () => {
  const before = await group.leader()
  group.replica(before.id).suspend()
  const successor = await group.until('another leads', async () => {
    const status = await group.status(otherThan(before.id))
    return status !== undefined && status.term > before.term && status.leader
  })
  expect(successor).not.toBe(before.id)
  group.replica(before.id).resume()
  await load.progress(someProposals)
  await expectFlawless()
})

test.skipIf(process.env['NATS_URL'])('after a restart of NATS the group goes on by itself', async () => {
  await group.nats.kill()
  await pause(2 * electionTimeoutMaxMs)
  await group.nats.restart()
  await load.progress(someProposals)
  await expectFlawless()
})

test('a new replica catches up from nothing under load, and takes the place of one that is removed', async () => {
  const { id: leader, term } = await group.leader()
  const [newcomer, old] = ['n4' as ReplicaId, otherThan(leader)]
  await group.join(newcomer)
  expect((await group.change('add', newcomer)).voters).toContain(newcomer)
  // So little of the log stays here that it would need one after the other, did its leader's log not wait for it while it catches up.
  const leaders = 1 + (await group.leader()).term - term
  const snapshots = (await group.status(newcomer))?.snapshotsInstalled
  expect(snapshots).toBeGreaterThanOrEqual(1)
  expect(snapshots).toBeLessThanOrEqual(leaders)
  expect((await group.change('remove', old)).voters).not.toContain(old)
  await group.replica(old).service.stop()
  group.replicas.delete(old)
  await load.progress(someProposals)
  await group.replica(leader).service.kill()
  await load.progress(someProposals)
  await group.replica(leader).service.start()
  await expectFlawless()
})

async function expectFlawless(): Promise<void> {
  await load.stop()
  expect(await audit(group, load)).toEqual(flawless)
  load.start(lanes)
}

function otherThan(id: ReplicaId): ReplicaId {
  const other = [...group.replicas.keys()].find((candidate) => candidate !== id)
  if (other === undefined) throw new Error('The group has one replica.')
  return other
}
