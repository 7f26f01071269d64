import { expect, test } from 'vitest'
import {
  CommandTooLargeError,
  NotLeaderError,
  OverloadedError,
  ProposalUncertainError,
  type Replica,
  type StoreBatch,
  StoreError,
} from '../src/index.ts'
import { command, Scene } from './scene.ts'

test('a proposal resolves with the result once it is committed and applied here', async () => {
  const scene = new Scene(3)
  const { replica } = await scene.leader()
  expect(await scene.outcomes([replica.propose(command('a')), replica.propose(command('b'))])).toEqual(['a', 'b'])
  expect(Buffer.from(replica.space.get('command/b') ?? '').toString()).toBe('b')
  await scene.until(() => [...scene.replicas.values()].every(({ space }) => space.get('command/b') !== undefined))
})

test('whoever does not lead refuses at once, and says who does', async () => {
  const scene = new Scene(3)
  const { id } = await scene.leader()
  await scene.until(() => [...scene.replicas.values()].every((one) => one.status().leader === id))
  const follower = scene.replicas.get(scene.members.find((member) => member !== id) ?? '') as Replica<string>
  const [refused, read] = await scene.outcomes([follower.propose(command('a')), follower.confirmLeadership()])
  expect(refused).toBeInstanceOf(NotLeaderError)
  expect(refused).toMatchObject({ leader: id })
  expect(read).toBeInstanceOf(NotLeaderError)
})

test('proposals and reads beyond the bounds are refused at once, and those within pass', async () => {
  const scene = new Scene(3, { maxUncommittedEntries: 5, maxReadsWaiting: 2 })
  const { replica } = await scene.leader()
  const texts = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const results = await scene.outcomes(texts.map((text) => replica.propose(command(text))))
  expect(results.slice(0, 5)).toEqual(texts.slice(0, 5))
  expect(results.slice(5).every((error) => error instanceof OverloadedError)).toBe(true)
  const reads = await scene.outcomes([1, 2, 3].map(() => replica.confirmLeadership()))
  expect(reads[1]).toBeUndefined()
  expect(reads[2]).toBeInstanceOf(OverloadedError)
})

test('a command that fits into no message is refused before it is in the log', async () => {
  const scene = new Scene(1, { maxAppendBytes: 4000 })
  const { replica } = await scene.leader()
  const [error] = await scene.outcomes([replica.propose(new Uint8Array(4000))])
  expect(error).toBeInstanceOf(CommandTooLargeError)
  expect(replica.status().lastIndex).toBe(1)
})

test('a message that cannot be used is counted and dropped, whoever sent it', async () => {
  const scene = new Scene(3)
  const { id, replica } = await scene.leader()
  const stranger = scene.simulation.process('stranger')
  stranger.start()
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 1 })
  for (const from of ['stranger', scene.members.find((member) => member !== id)]) {
    stranger.world.bus.publish(`raft.${from}.${id}`, Buffer.from('hello'))
  }
  await scene.until(() => scene.events.filter(({ kind }) => kind === 'malformed').length === 2)
  expect(scene.events.findLast(({ kind }) => kind === 'malformed')).toMatchObject({ count: 2, on: id })
  expect(await scene.outcomes([replica.propose(command('a'))])).toEqual(['a'])
})

test('when the disk fails the replica stops, and what was not on disk was not acknowledged', async () => {
  let isBroken = false
  const scene = new Scene(1, {}, (store) => {
    const write = store.write.bind(store)
    return Object.assign(store, {
      write: (batch: StoreBatch) =>
        isBroken ? Promise.reject(new StoreError('failed', 'The disk is full.')) : write(batch),
    })
  })
  const { replica } = await scene.leader()
  isBroken = true
  const [error] = await scene.outcomes([replica.propose(command('a'))])
  expect(error).toBeInstanceOf(ProposalUncertainError)
  expect(scene.events.slice(-2).map(({ kind }) => kind)).toEqual(['lostLeadership', 'failed'])
  expect(replica.status().appliedIndex).toBe(1)
  expect(await scene.outcomes([replica.propose(command('b'))])).toEqual([expect.any(NotLeaderError)])
})

test('a state machine that throws stops the replica instead of letting it diverge', async () => {
  const scene = new Scene(1)
  const { replica } = await scene.leader()
  const [error] = await scene.outcomes([replica.propose(command('poison'))])
  expect(error).toBeInstanceOf(ProposalUncertainError)
  expect(scene.events.at(-1)).toMatchObject({ kind: 'failed', error: { message: 'poison' } })
})

test('a stop waits for proposals under way, takes no more, and says that leadership is over', async () => {
  const scene = new Scene(3)
  const { id, replica } = await scene.leader()
  const underWay = replica.propose(command('a'))
  const stopped = replica.stop()
  expect(replica.stop()).toBe(stopped)
  const [result, late] = await scene.outcomes([underWay, replica.propose(command('b')), stopped])
  expect(result).toBe('a')
  expect(late).toBeInstanceOf(NotLeaderError)
  expect(scene.events.some(({ kind, on }) => kind === 'lostLeadership' && on === id)).toBe(true)
  const next = await scene.leader(id)
  expect(await scene.outcomes([next.replica.propose(command('c'))])).toEqual(['c'])
})

test('a dead leader is replaced long before the election time-out, for the bus says that nobody listens', async () => {
  const scene = new Scene(3)
  const { id } = await scene.leader()
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 200 })
  scene.simulation.processes.get(id)?.crash()
  const diedMs = scene.simulation.nowMs
  await scene.leader(id)
  expect(scene.simulation.nowMs - diedMs).toBeLessThan(200)
})

test('a process that slept does not take its own sleep for the silence of the leader', async () => {
  const scene = new Scene(3)
  const { id } = await scene.leader()
  const sleeper = scene.members.find((member) => member !== id) ?? ''
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 200 })
  const { term } = (scene.replicas.get(id) as Replica<string>).status()
  scene.simulation.processes.get(sleeper)?.pause()
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 5_000 })
  scene.simulation.processes.get(sleeper)?.resume()
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 2_000 })
  expect((scene.replicas.get(id) as Replica<string>).status()).toMatchObject({ role: 'leader', term })
  const started = scene.events.filter(({ kind, on }) => kind === 'leaderChanged' && on === sleeper)
  expect(started).toHaveLength(1)
})

test('an idle replica writes out what it applied, so that a restart has nothing to redo', async () => {
  const scene = new Scene(1)
  const { replica } = await scene.leader()
  await scene.outcomes([replica.propose(command('a'))])
  const { disk } = scene.simulation.processes.get('n1') ?? {}
  const isOnDisk = (): boolean => [...(disk?.contents.keys() ?? [])].some((key) => key.endsWith('command/a'))
  expect(isOnDisk()).toBe(false)
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 400 })
  expect(isOnDisk()).toBe(true)
})
