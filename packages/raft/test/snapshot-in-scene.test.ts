import { expect, test } from 'vitest'
import type { Replica, ReplicaId } from '../src/index.ts'
import { command, Scene } from './scene.ts'

const settings = { retainedEntries: 4, applyFlushEntries: 1, entriesInMemory: 2, maxAppendBytes: 4096 }

test('a follower that was away shows what the snapshot holds, as applied, from the moment that it is installed', async () => {
  const scene = new Scene(3, settings)
  const { id, replica } = await scene.leader()
  const late = scene.members.find((member) => member !== id) as ReplicaId
  const process = scene.simulation.processes.get(late)
  process?.crash()
  for (let round = 0; round < 20; round++) {
    await scene.outcomes([1, 2, 3].map((at) => replica.propose(command(`${round}.${at}`))))
  }
  process?.start()
  const installed = (): boolean => scene.events.some(({ kind, on }) => kind === 'snapshotInstalled' && on === late)
  await scene.until(installed)
  const follower = scene.replicas.get(late) as Replica<string>
  const event = scene.events.find(({ kind }) => kind === 'snapshotInstalled') as { readonly index: number }
  expect(follower.status()).toMatchObject({
    appliedIndex: event.index,
    commitIndex: event.index,
    lastIndex: event.index,
  })
  expect(follower.space.list('command/', 100)).toHaveLength(event.index - 1)
  await scene.until(() => follower.status().appliedIndex === replica.status().appliedIndex)
  const sent = scene.events.filter(({ kind, on }) => kind === 'snapshotSent' && on === id)
  expect(sent).toMatchObject([{ to: late, index: event.index }])
})

test('a replica whose machine cannot read what a snapshot holds stops, and does not start on it', async () => {
  const scene = new Scene(3, settings)
  const { id, replica } = await scene.leader()
  const late = scene.members.find((member) => member !== id) as ReplicaId
  const process = scene.simulation.processes.get(late)
  process?.crash()
  await scene.outcomes([replica.propose(command('later'))])
  for (let round = 0; round < 20; round++) {
    await scene.outcomes([1, 2, 3].map((at) => replica.propose(command(`${round}.${at}`))))
  }
  process?.start()
  const failed = () => scene.events.find(({ kind, on }) => kind === 'failed' && on === late)
  await scene.until(() => failed() !== undefined)
  expect(failed()).toMatchObject({ error: new Error('a later release wrote it') })
  expect(await scene.outcomes([replica.propose(command('on'))])).toEqual(['on'])
  process?.restart()
  await expect(scene.until(() => false)).rejects.toThrow('a later release wrote it')
})
