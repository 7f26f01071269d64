import { expect, test } from 'vitest'
import {
  ConfigurationError,
  MembershipError,
  NotLeaderError,
  OverloadedError,
  type Replica,
  type ReplicaId,
  TransferError,
} from '../src/index.ts'
import { command, Scene } from './scene.ts'

const id = (text: string): ReplicaId => text as ReplicaId

/** All running replicas name the same members. */
function agree(scene: Scene, on: readonly string[]): boolean {
  return on.every((name) => {
    const replica = scene.replicas.get(name)
    return replica !== undefined && replica.membership().voters.join(' ') === on.toSorted().join(' ')
  })
}

test('an empty replica is added while proposals go on: it learns, catches up, and votes', async () => {
  const scene = new Scene(3, { entriesInMemory: 4 })
  const { replica } = await scene.leader()
  await scene.outcomes(Array.from({ length: 50 }, (_, place) => replica.propose(command(`before ${place}`))))
  scene.join('n4')
  const added = replica.addReplica(id('n4'))
  const results = await scene.outcomes([added, ...['a', 'b', 'c'].map((text) => replica.propose(command(text)))])
  expect(results).toEqual([{ voters: ['n1', 'n2', 'n3', 'n4'], learners: [] }, 'a', 'b', 'c'])
  await scene.until(() => agree(scene, ['n1', 'n2', 'n3', 'n4']))
  await scene.until(() => scene.replicas.get('n4')?.space.get('command/before 7') !== undefined)
  await scene.until(
    () => scene.events.filter(({ kind, on }) => kind === 'membershipChanged' && on === 'n4').length === 2,
  )
})

test('a new replica that is not there yet stays a learner until it is, and holds up nothing', async () => {
  const scene = new Scene(3)
  const { replica } = await scene.leader()
  let added = false
  const adding = replica.addReplica(id('n4')).then(() => {
    added = true
  })
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 1_000 })
  expect(await scene.outcomes([replica.propose(command('a'))])).toEqual(['a'])
  expect(added).toBe(false)
  expect(replica.membership()).toEqual({ voters: ['n1', 'n2', 'n3'], learners: ['n4'] })
  scene.join('n4')
  await scene.outcomes([adding])
  expect(replica.membership().voters).toContain('n4')
})

test.each([
  ['nothing', ''],
  ['two tokens', 'n.4'],
  ['any token', '*'],
  ['a space', 'n 4'],
  ['more than fits', 'n'.repeat(65)],
  ['what is no single byte', 'ñ4'],
])('an id of %s is refused before it is in the log, where it would end the group', async (_, text) => {
  const scene = new Scene(3)
  const { replica } = await scene.leader()
  const [refused] = await scene.outcomes([replica.addReplica(id(text))])
  expect(refused).toBeInstanceOf(ConfigurationError)
  expect(await scene.outcomes([replica.propose(command('a'))])).toEqual(['a'])
  expect(replica.membership()).toEqual({ voters: ['n1', 'n2', 'n3'], learners: [] })
})

test('a learner that is removed while it is being added stays out', async () => {
  const scene = new Scene(3)
  const { replica } = await scene.leader()
  const adding = replica.addReplica(id('n4'))
  await scene.until(() => scene.events.some(({ kind }) => kind === 'membershipChanged'))
  const [added] = await scene.outcomes([adding, replica.removeReplica(id('n4'))])
  expect(added).toMatchObject({ why: 'notLearner', retryable: false })
  expect(replica.membership()).toEqual({ voters: ['n1', 'n2', 'n3'], learners: [] })
})

test('what a restart finds on disk names the members of now, not those of the beginning', async () => {
  const scene = new Scene(3)
  const { id: first, replica } = await scene.leader()
  scene.join('n4')
  await scene.outcomes([replica.addReplica(id('n4'))])
  const leaving = scene.members.find((member) => member !== first) ?? ''
  await scene.outcomes([replica.removeReplica(id(leaving))])
  const rest = ['n1', 'n2', 'n3', 'n4'].filter((name) => name !== leaving)
  await scene.until(() => agree(scene, rest))
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 1_000 })
  for (const name of rest) scene.simulation.processes.get(name)?.crash()
  scene.events.length = 0
  for (const name of rest) scene.simulation.processes.get(name)?.start()
  await scene.until(() => agree(scene, rest))
  const next = await scene.leader()
  expect(rest).toContain(next.id)
  expect(await scene.outcomes([next.replica.propose(command('a'))])).toEqual(['a'])
})

test('a removed replica is told, and disturbs nobody afterwards', async () => {
  const scene = new Scene(5)
  const { id: leader, replica } = await scene.leader()
  const leaving = scene.members.find((member) => member !== leader) ?? ''
  const { term } = replica.status()
  await scene.outcomes([replica.removeReplica(id(leaving))])
  await scene.until(() => scene.events.some(({ kind, on }) => kind === 'removed' && on === leaving))
  await scene.simulation.run({ untilMs: scene.simulation.nowMs + 10_000 })
  expect(replica.status()).toMatchObject({ role: 'leader', term })
  expect(scene.events.filter(({ kind }) => kind === 'electionStarted')).toHaveLength(1)
})

test('a leader that removes itself is followed by another at once', async () => {
  const scene = new Scene(3)
  const { id: first, replica } = await scene.leader()
  const removedMs = scene.simulation.nowMs
  const [membership] = await scene.outcomes([replica.removeReplica(id(first))])
  expect(membership).toEqual({ voters: scene.members.filter((member) => member !== first), learners: [] })
  const next = await scene.leader(first)
  expect(scene.simulation.nowMs - removedMs).toBeLessThan(200)
  await scene.until(() => replica.status().role !== 'leader')
  expect(await scene.outcomes([next.replica.propose(command('a'))])).toEqual(['a'])
})

test('a change is refused with a reason, and says whether another try can help', async () => {
  const scene = new Scene(3)
  const { id: leader, replica } = await scene.leader()
  const follower = scene.replicas.get(scene.members.find((member) => member !== leader) ?? '') as Replica<string>
  const both = [replica.removeReplica(id('n2')), replica.removeReplica(id('n3'))]
  const [, second, unknown, elsewhere] = await scene.outcomes([
    ...both,
    replica.removeReplica(id('n9')),
    follower.addReplica(id('n4')),
  ])
  expect(second).toBeInstanceOf(MembershipError)
  expect(second).toMatchObject({ why: 'changeUnderWay', retryable: true })
  expect(unknown).toMatchObject({ why: 'changeUnderWay' })
  expect(elsewhere).toBeInstanceOf(NotLeaderError)
  const [stranger, again] = await scene.outcomes([replica.removeReplica(id('n9')), replica.addReplica(id(leader))])
  expect(stranger).toMatchObject({ why: 'notMember', retryable: false })
  expect(again).toMatchObject({ why: 'alreadyVoter', retryable: false })
})

test('leadership goes to whom it is given to, and no proposal fails for that', async () => {
  const scene = new Scene(3)
  const { id: first, replica } = await scene.leader()
  const target = scene.members.find((member) => member !== first) ?? id('')
  const before = ['a', 'b', 'c'].map((text) => replica.propose(command(text)))
  const handing = replica.transferLeadership(target)
  const results = await scene.outcomes([...before, handing, replica.propose(command('late'))])
  expect(results.slice(0, 4)).toEqual(['a', 'b', 'c', undefined])
  expect(results[4]).toBeInstanceOf(NotLeaderError)
  expect(results[4]).toMatchObject({ leader: undefined })
  const next = await scene.leader(first)
  expect(next.id).toBe(target)
  expect(scene.events.filter(({ kind }) => kind === 'transferred')).toMatchObject([{ on: first, leader: target }])
  expect(await scene.outcomes([next.replica.propose(command('d'))])).toEqual(['d'])
})

test('when the target is dead, the leader says so and leads on', async () => {
  const scene = new Scene(3)
  const { id: first, replica } = await scene.leader()
  const target = scene.members.find((member) => member !== first) ?? id('')
  scene.simulation.processes.get(target)?.crash()
  const [failed] = await scene.outcomes([replica.transferLeadership(target)])
  expect(failed).toBeInstanceOf(TransferError)
  expect(failed).toMatchObject({ why: 'timedOut' })
  expect(await scene.outcomes([replica.propose(command('a'))])).toEqual(['a'])
  const [unknown] = await scene.outcomes([replica.transferLeadership(id('n9'))])
  expect(unknown).toMatchObject({ why: 'noVoter' })
})

test('a leader that stops under load fails no proposal, and the next one serves at once', async () => {
  const scene = new Scene(3)
  const { id: first, replica } = await scene.leader()
  const texts = Array.from({ length: 200 }, (_, place) => `p${place}`)
  const proposed = texts.map((text) => replica.propose(command(text)))
  const stoppedMs = scene.simulation.nowMs
  const results = await scene.outcomes([...proposed, replica.stop()])
  expect(results.slice(0, -1)).toEqual(texts)
  const next = await scene.leader(first)
  expect(scene.simulation.nowMs - stoppedMs).toBeLessThan(200)
  expect(scene.events).toContainEqual(expect.objectContaining({ kind: 'transferred', on: first, leader: next.id }))
  expect(await scene.outcomes([next.replica.propose(command('z'))])).toEqual(['z'])
})

test('a whole group that stops comes to its end', async () => {
  const scene = new Scene(3)
  await scene.leader()
  await scene.outcomes([...scene.replicas.values()].map((replica) => replica.stop()))
})

test('a proposal beyond the bound is refused before it is put anywhere', async () => {
  const scene = new Scene(1, { maxUncommittedEntries: 5 })
  const { replica } = await scene.leader()
  const taken = ['a', 'b', 'c', 'd', 'e'].map((text) => replica.propose(command(text)))
  const order: string[] = []
  const refused = replica.propose(command('f')).catch(() => order.push('refused'))
  queueMicrotask(() => order.push('the core had its turn'))
  await scene.outcomes([...taken, refused])
  expect(order).toEqual(['refused', 'the core had its turn'])
})

test('proposals and reads of one turn beyond the bounds are refused at once, and keep no memory', async () => {
  const scene = new Scene(1, { maxUncommittedEntries: 5, maxReadsWaiting: 3 })
  const { replica } = await scene.leader()
  const results = await scene.outcomes(
    Array.from({ length: 1_000 }, (_, place) => replica.propose(command(`${place}`))),
  )
  expect(results.filter((result) => result instanceof OverloadedError)).toHaveLength(995)
  const reads = await scene.outcomes(Array.from({ length: 10 }, () => replica.confirmLeadership()))
  expect(reads.filter((result) => result instanceof OverloadedError)).toHaveLength(7)
})
