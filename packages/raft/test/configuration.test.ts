import { Simulation } from '@verdict/runtime/simulated'
import { expect, test } from 'vitest'
import { ConfigurationError, type ReplicaId, startReplica } from '../src/index.ts'
import { initSimulatedStore, openSimulatedStore } from '../src/simulated-store.ts'
import { machine } from './scene.ts'

test.each([
  ['an even number of replicas', ['n1', 'n2'], 'n1', /odd number of replicas, not 2 \(n1, n2\)/],
  ['a replica twice', ['n1', 'n2', 'n1'], 'n1', /names the replica n1 twice/],
  ['a replica that is none of its members', ['n1', 'n2', 'n3'], 'n9', /n9 is none of the group's members n1, n2, n3/],
  ['an empty id', ['n1', '', 'n3'], 'n1', /"" cannot be the id/],
  ['an id that is no token', ['n1', 'n.2', 'n3'], 'n1', /"n.2" cannot be the id/],
])('a group with %s is refused before anything is written', (_, members, replica, text) => {
  const { disk } = new Simulation({ seed: 1 }).process(replica)
  const init = (): void => {
    initSimulatedStore({ disk, group: 'g', replica: replica as ReplicaId, members: members as ReplicaId[] })
  }
  expect(init).toThrow(ConfigurationError)
  expect(init).toThrow(text)
  expect(disk.contents.size).toBe(0)
})

test.each([
  ['a heartbeat as long as an election time-out', { heartbeatMs: 500 }, /500 ms with a heartbeat each 500 ms/],
  ['a longest time-out below the shortest', { electionTimeoutMaxMs: 400 }, /longest election time-out is 400 ms/],
  ['a bound that is no whole number', { maxAppendsInFlight: 1.5 }, /maxAppendsInFlight is 1.5/],
  ['a bound of nothing', { maxUncommittedEntries: 0 }, /maxUncommittedEntries is 0/],
  ['a time that is none', { heartbeatMs: Number.NaN }, /heartbeatMs is NaN/],
  ['appends that bring nothing', { maxAppendBytes: 100 }, /at most 100 bytes/],
])('settings with %s are refused at start, before anything is written', async (_, settings, text) => {
  const process = new Simulation({ seed: 1 }).process('n1')
  const identity = { group: 'g', replica: 'n1' as ReplicaId, members: ['n1' as ReplicaId] }
  initSimulatedStore({ disk: process.disk, ...identity })
  const before = [...process.disk.contents]
  process.start()
  const { world } = process
  const starting = startReplica({
    id: identity.replica,
    store: openSimulatedStore({ disk: world.disk, ...identity }),
    machine,
    world,
    settings,
    subject: (from, to) => `raft.${from}.${to}`,
  })
  await expect(starting).rejects.toThrow(ConfigurationError)
  await expect(starting).rejects.toThrow(text)
  expect([...process.disk.contents]).toEqual(before)
})

test('a bus that cannot carry the largest value of the space is refused at start', async () => {
  const process = new Simulation({ seed: 1, maxPayloadBytes: 256 * 1024 }).process('n1')
  const identity = { group: 'g', replica: 'n1' as ReplicaId, members: ['n1' as ReplicaId] }
  initSimulatedStore({ disk: process.disk, ...identity })
  process.start()
  const { world } = process
  const store = openSimulatedStore({ disk: world.disk, ...identity })
  const starting = startReplica({ id: identity.replica, store, machine, world, subject: (from, to) => `${from}.${to}` })
  await expect(starting).rejects.toThrow(ConfigurationError)
  await expect(starting).rejects.toThrow(/carries at most 262144 bytes in one message; expected at least \d{6}/)
})
