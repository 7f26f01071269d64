import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { systemClock, systemRandom } from '@verdict/runtime'
import { expect, test } from 'vitest'
import {
  initLmdbStore,
  openLmdbStore,
  type RaftEvent,
  type RaftSettings,
  type Replica,
  type ReplicaId,
  type StateMachine,
  startReplica,
} from '../src/index.ts'
import { LocalBus } from './local-bus.ts'

const members = ['n1', 'n2', 'n3'] as ReplicaId[]

/** Little is kept of the log, and a snapshot takes many chunks. */
const settings: Partial<RaftSettings> = { retainedEntries: 200, entriesInMemory: 50, maxAppendBytes: 16 * 1024 }

/** Keeps how often each command was applied, and every hundredth in a larger value. */
const machine: StateMachine<number> = {
  apply(space, index, command) {
    const text = Buffer.from(command).toString()
    const key = `count/${text}`
    space.put(key, Buffer.from(`${Number(Buffer.from(space.get(key) ?? '0').toString()) + 1}`))
    if (index % 100 === 0) space.put(`large/${index}`, Buffer.alloc(20_000, index % 251))
    if (index % 7 === 0) space.delete(`count/${text}`)
    return index
  },
}

/** A group whose replicas are started one by one. */
class Group implements AsyncDisposable {
  readonly replicas = new Map<ReplicaId, Replica<number>>()
  readonly events: (RaftEvent & { readonly on: ReplicaId })[] = []
  readonly #folder: string
  readonly #bus = new LocalBus()

  constructor(folder: string) {
    this.#folder = folder
  }

  init(id: ReplicaId, of: readonly ReplicaId[]): Promise<void> {
    return initLmdbStore({ path: join(this.#folder, id), group: 'g', replica: id, members: of })
  }

  async start(id: ReplicaId, of: readonly ReplicaId[]): Promise<Replica<number>> {
    const replica = await startReplica({
      id,
      store: await openLmdbStore({ path: join(this.#folder, id), group: 'g', replica: id, members: of }),
      machine,
      world: { clock: systemClock, random: systemRandom, bus: this.#bus.bus() },
      settings,
      subject: (from, to) => `raft.${from}.${to}`,
      onEvent: (event) => this.events.push({ ...event, on: id }),
    })
    this.replicas.set(id, replica)
    return replica
  }

  has(kind: RaftEvent['kind'], on?: ReplicaId): boolean {
    return this.events.some((event) => event.kind === kind && (on === undefined || event.on === on))
  }

  async leader(): Promise<Replica<number>> {
    const leading = (): Replica<number> | undefined =>
      [...this.replicas.values()].find((replica) => replica.status().role === 'leader')
    await until(() => this.has('becameLeader') && leading() !== undefined)
    return leading() as Replica<number>
  }

  isLevel(): boolean {
    return new Set([...this.replicas.values()].map((replica) => replica.status().appliedIndex)).size === 1
  }

  /** The whole space of a replica, byte for byte. */
  spaceOf(id: ReplicaId): readonly string[] {
    const values = this.replicas.get(id)?.space.list('', 1_000_000) ?? []
    return values.map(([key, value]) => `${key}=${Buffer.from(value).toString('base64')}`)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.replicas.values()].map((replica) => replica.stop()))
    this.replicas.clear()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(5)
}

/** Proposes commands, sixteen at a time, until it is told to stop; resolves with how many. */
async function load(leader: Replica<number>, name: string, isOver: (proposed: number) => boolean): Promise<number> {
  let proposed = 0
  const client = async (): Promise<void> => {
    while (!isOver(proposed)) await leader.propose(Buffer.from(`${name}${++proposed}`))
  }
  await Promise.all(Array.from({ length: 16 }, client))
  return proposed
}

async function inFolder(body: (group: Group) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'verdict-raft-'))
  try {
    await using group = new Group(folder)
    await body(group)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

test('a follower that is empty catches up by itself while the group carries load, and applies nothing twice', () =>
  inFolder(async (group) => {
    for (const id of members) await group.init(id, members)
    for (const id of members.slice(0, 2)) await group.start(id, members)
    const leader = await group.leader()
    await load(leader, 'before', (proposed) => proposed >= 3000)
    expect(group.has('compacted')).toBe(true)

    const [, , late] = members as [ReplicaId, ReplicaId, ReplicaId]
    await group.start(late, members)
    let caughtUpAt = Number.POSITIVE_INFINITY
    const proposed = await load(leader, 'meanwhile', (count) => {
      if (group.has('snapshotInstalled', late) && caughtUpAt === Number.POSITIVE_INFINITY) caughtUpAt = count
      return count >= caughtUpAt + 500
    })
    expect(proposed).toBeGreaterThan(500)
    await until(() => group.isLevel())
    const applied = group.events.filter((event) => event.kind === 'applied' && event.on === late)
    const installed = group.events.find((event) => event.kind === 'snapshotInstalled')
    expect(installed).toMatchObject({ on: late })
    // What the snapshot holds is not applied again.
    const first = applied[0] as RaftEvent & { readonly kind: 'applied' }
    expect(first.index - first.entries).toBeGreaterThanOrEqual((installed as { readonly index: number }).index)
    for (const id of members) expect(group.spaceOf(id)).toEqual(group.spaceOf(members[0] as ReplicaId))
    const counts = group.replicas.get(late)?.space.list('count/', 1_000_000) ?? []
    expect(new Set(counts.map(([, value]) => Buffer.from(value).toString()))).toEqual(new Set(['1']))

    const before = group.spaceOf(late)
    await group.stop()
    group.events.length = 0
    for (const id of members) await group.start(id, members)
    const next = await group.leader()
    await next.confirmLeadership()
    await until(() => group.isLevel())
    for (const id of members) expect(group.spaceOf(id)).toEqual(before)
  }))

test('a replica that joins a group whose log begins late becomes a voter with everything, under load', () =>
  inFolder(async (group) => {
    for (const id of members) await group.init(id, members)
    for (const id of members) await group.start(id, members)
    const leader = await group.leader()
    await load(leader, 'before', (proposed) => proposed >= 2000)
    const joining = 'n4' as ReplicaId
    await group.init(joining, [])
    await group.start(joining, [])
    let isAdded = false
    const added = leader.addReplica(joining).finally(() => {
      isAdded = true
    })
    await load(leader, 'meanwhile', () => isAdded)
    expect(await added).toMatchObject({ voters: [...members, joining] })
    await until(() => group.isLevel())
    expect(group.has('snapshotInstalled', joining)).toBe(true)
    expect(group.spaceOf(joining)).toEqual(group.spaceOf(members[0] as ReplicaId))
    expect(group.replicas.get(joining)?.membership().voters).toEqual([...members, joining])
  }))
