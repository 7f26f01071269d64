import { expect, test } from 'vitest'
import type { ReplicaId } from '../src/message.ts'
import { PeerStarts } from '../src/peer-starts.ts'
import { Scene } from './scene.ts'

const n2 = 'n2' as ReplicaId

function startsOf(starts: number, peers: Readonly<Record<string, number>> = {}): PeerStarts {
  const peerStarts = new Map(Object.entries(peers) as [ReplicaId, number][])
  return new PeerStarts({ starts, peerStarts }, 'n1' as ReplicaId)
}

test('whoever was heard with a later start is not heard with an earlier one', () => {
  const starts = startsOf(3)
  expect(starts.admits(n2, { own: 5, heard: 3 })).toBe(true)
  expect(starts.admits(n2, { own: 5, heard: 3 })).toBe(true)
  expect(starts.admits(n2, { own: 4, heard: 3 })).toBe(false)
  expect(starts.admits(n2, { own: 6, heard: 0 })).toBe(true)
  expect(starts.admits(n2, { own: 5, heard: 3 })).toBe(false)
  expect(starts.forPeer(n2)).toEqual({ own: 3, heard: 6 })
})

test('the highest start of each is remembered with the next write, once', () => {
  const starts = startsOf(3, { n3: 2 })
  expect(starts.takeNews()).toBeUndefined()
  starts.admits(n2, { own: 5, heard: 3 })
  expect(starts.takeNews()).toEqual(
    new Map([
      ['n3', 2],
      ['n2', 5],
    ]),
  )
  expect(starts.takeNews()).toBeUndefined()
  expect(startsOf(3, { n3: 2 }).admits('n3' as ReplicaId, { own: 1, heard: 0 })).toBe(false)
})

test('a replica that others have heard with a later start stops', () => {
  expect(() => startsOf(3).admits(n2, { own: 1, heard: 4 })).toThrow(/start number 3; n2 has heard of number 4/)
})

test('names that are made up do not fill the memory, and known replicas are remembered all the same', () => {
  const starts = startsOf(1, { n2: 1 })
  for (let at = 0; at < 1000; at++) starts.admits(`x${at}` as ReplicaId, { own: 1, heard: 0 })
  starts.admits(n2, { own: 7, heard: 0 })
  expect(starts.takeNews()?.size).toBe(64)
  expect(starts.forPeer(n2).heard).toBe(7)
})

test('a replica whose disk was put back to an earlier day stops, and says why; the group goes on without it', async () => {
  const scene = new Scene(3)
  const { id, replica } = await scene.leader()
  const victim = scene.members.find((member) => member !== id) as ReplicaId
  const process = scene.simulation.processes.get(victim)
  if (process === undefined) throw new Error('Every member has a process.')
  await scene.outcomes([replica.propose(Buffer.from('a'))])
  const backup = process.disk.snapshot()
  process.crash()
  process.start()
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 300 })
  await scene.outcomes([replica.propose(Buffer.from('b'))])
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 300 })
  // Its third start would be the second for this disk.
  process.crash()
  process.start()
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 300 })
  await scene.outcomes([replica.propose(Buffer.from('c'))])
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 300 })
  process.crash()
  process.disk.restore(backup)
  process.start()
  await scene.until(() => scene.events.some(({ kind, on }) => kind === 'failed' && on === victim))
  const failed = scene.events.find(({ kind, on }) => kind === 'failed' && on === victim)
  expect(failed).toMatchObject({ error: { name: 'StoreError', code: 'outdated' } })
  expect(await scene.outcomes([replica.propose(Buffer.from('d'))])).toEqual(['d'])
})
