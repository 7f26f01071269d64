import { encodePacket, type Message, ownerName } from '@verdict/protocol'
import type {
  LogStore,
  Membership,
  RaftEvent,
  RaftStatus,
  Replica,
  ReplicaId,
  ReplicaOptions,
  Term,
} from '@verdict/raft'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Recorded } from '../../../test/telemetry/recorded.ts'
import { type Coordinator, startCoordinator } from '../src/coordinator.ts'
import type { Applied } from '../src/decisions.ts'
import type { CoordinatorEvent } from '../src/event.ts'
import { newestFormat } from '../src/format.ts'
import { type Manifest, ManifestError, parseManifest } from '../src/manifest.ts'
import { CoordinatorMetering } from '../src/metering.ts'
import { decision, group, id, inboxToken, owner, p } from './samples.ts'
import { ManualClock, on, replicaId, ScriptedReplica, settled, TestBus } from './stage.ts'

/** Raft without Raft: says what the test says. */
class ScriptedRaft extends ScriptedReplica implements Replica<Applied> {
  stops = 0

  status(): RaftStatus {
    const index = 7 as RaftStatus['lastIndex']
    return {
      role: 'follower',
      term: 3 as Term,
      leader: undefined,
      commitIndex: index,
      appliedIndex: index,
      lastIndex: index,
    }
  }

  membership(): Membership {
    return { voters: [replicaId], learners: [] }
  }

  addReplica(): Promise<Membership> {
    return Promise.reject(new Error('nobody asks for it'))
  }

  removeReplica(): Promise<Membership> {
    return this.addReplica()
  }

  async transferLeadership(): Promise<void> {
    await this.addReplica()
  }

  async stop(): Promise<void> {
    this.stops += 1
  }
}

const raft = vi.hoisted(() => ({
  start: (_options: unknown): Promise<unknown> => Promise.reject(new Error('not set')),
}))
vi.mock('@verdict/raft', () => ({ startReplica: (options: unknown) => raft.start(options) }))

const manifest: Manifest = parseManifest(
  JSON.stringify({ version: 1, name: 'main', incarnation: group.split('_')[1], replicas: [replicaId] }),
)
const ignored = { payload: Uint8Array.of(0), replyTo: undefined }
const statusSubject = on.status(group, replicaId, owner)

/** A coordinator on a scripted Raft. */
class Scene {
  readonly bus = new TestBus()
  readonly clock = new ManualClock()
  readonly replica = new ScriptedRaft()
  readonly events: CoordinatorEvent[] = []
  private tell: (event: RaftEvent) => void = () => {}

  /** Starts it; `meanwhile` happens before Raft has started. */
  start(meanwhile: readonly RaftEvent[] = [], replica: ReplicaId = replicaId): Promise<Coordinator> {
    const { bus, clock } = this
    raft.start = async (options) => {
      this.tell = (options as ReplicaOptions<Applied>).onEvent ?? this.tell
      for (const event of meanwhile) this.tell(event)
      return this.replica
    }
    return startCoordinator({
      manifest,
      replica,
      store: {} as LogStore,
      world: { bus, clock, random: { bytes: (length) => new Uint8Array(length), fraction: () => 0 } },
      version: '0.1.0',
      onEvent: (event) => this.events.push(event),
    })
  }

  raft(event: RaftEvent): void {
    this.tell(event)
  }

  get serves(): boolean {
    return this.bus.bring({ subject: on.group(group, owner), ...ignored }) > 0
  }

  ask(message: Message, inbox = on.inbox(owner, inboxToken(1))): Message[] {
    const before = this.bus.sent.length
    this.bus.bring({ subject: statusSubject, payload: encodePacket({ request: 5, message }), replyTo: inbox })
    return this.bus.sent.slice(before).map((sent) => sent.message)
  }
}

const became = (term: number): RaftEvent => ({ kind: 'becameLeader', term: term as Term })
const lost = (term: number): RaftEvent => ({ kind: 'lostLeadership', term: term as Term, why: 'another leads' })

let scene: Scene
beforeEach(() => {
  scene = new Scene()
})

describe('R15: it serves only while it leads', () => {
  test('from becameLeader to lostLeadership, and again in a later term', async () => {
    await scene.start()
    expect(scene.serves).toBe(false)
    scene.raft(became(3))
    expect(scene.serves).toBe(true)
    scene.raft(lost(3))
    expect(scene.serves).toBe(false)
    scene.raft(became(5))
    expect(scene.serves).toBe(true)
    expect(scene.events.filter(({ kind }) => kind === 'leading' || kind === 'steppedDown')).toEqual([
      { kind: 'leading', term: 3, unsettled: 0 },
      { kind: 'steppedDown', term: 3 },
      { kind: 'leading', term: 5, unsettled: 0 },
    ])
  })

  test.each([
    ['leads while Raft is still starting', [became(1)], true],
    ['led and lost it while Raft was still starting', [became(1), lost(1)], false],
  ] as const)('one that %s', async (_, meanwhile, serves) => {
    await scene.start(meanwhile)
    expect(scene.serves).toBe(serves)
  })

  test('one that failed tells nothing any more: it may hold what it cannot read', async () => {
    await scene.start()
    expect(scene.ask({ type: 'status' })).toMatchObject([{ type: 'statusReport', format: 1, newestFormat }])
    scene.raft({ kind: 'failed', error: new Error('unreadable') })
    expect(scene.ask({ type: 'status' })).toEqual([])
  })

  test('a new term starts anew: nothing of the old one is done twice', async () => {
    scene.replica.record(decision(id(1), 'committed'))
    await scene.start([became(1)])
    scene.raft(lost(1))
    scene.raft(became(2))
    scene.bus.sent.splice(0)
    await scene.clock.pass(500)
    expect(scene.bus.sent.filter(({ message }) => message.type === 'outcome')).toHaveLength(2)
  })
})

test('a replica that the manifest does not name is refused', async () => {
  await expect(scene.start([], 'r9' as ReplicaId)).rejects.toThrow(ManifestError)
})

test('the record that it has applied is there, leading or not', async () => {
  scene.replica.record(decision(id(1), 'aborted'))
  const coordinator = await scene.start()
  expect(coordinator.record(id(1))).toMatchObject({ outcome: 'aborted' })
  expect(coordinator.record(id(2))).toBeUndefined()
})

describe('status', () => {
  test('is told by every replica, leading or not', async () => {
    scene.replica.record(decision(id(1), 'committed'))
    await scene.start()
    expect(scene.ask({ type: 'status' })).toMatchObject([
      {
        type: 'statusReport',
        role: 'follower',
        unsettled: 1,
        underway: 0,
        inDoubt: [{ id: id(1), outcome: 'committed' }],
      },
    ])
  })

  test('is told into the own inbox of who asks only', async () => {
    await scene.start()
    expect(scene.ask({ type: 'status' }, on.inbox(ownerName('reporting'), inboxToken(1)))).toEqual([])
  })

  test('is told without the list when the bus cannot carry that', async () => {
    for (let number = 0; number < 40; number += 1) scene.replica.record(decision(id(number), 'committed'))
    await scene.start()
    scene.bus.maxPayloadBytes = 1_000
    expect(scene.ask({ type: 'status' })).toMatchObject([{ type: 'statusReport', unsettled: 40, inDoubt: [] }])
  })

  test('what is damaged is dropped and counted', async () => {
    await scene.start()
    const replyTo = on.inbox(owner, inboxToken(1))
    scene.bus.bring({ subject: statusSubject, payload: Uint8Array.of(1, 2, 3), replyTo })
    expect(scene.events).toMatchObject([{ kind: 'unusableMessage' }])
    expect(scene.bus.sent).toEqual([])
  })

  test('what is readable but wrong is counted, and answered as a failure', async () => {
    await scene.start()
    expect(scene.ask({ type: 'look', ids: [id(1)] })).toMatchObject([{ type: 'failure', code: 'malformed-message' }])
    expect(scene.events).toMatchObject([{ kind: 'unusableMessage' }])
  })
})

describe('what is in doubt', () => {
  let recorded: Recorded
  beforeEach(() => {
    recorded = new Recorded()
  })
  afterEach(() => recorded[Symbol.dispose]())

  const valuesOf = async (): Promise<unknown[]> => {
    const names = ['verdict.coordinator.in_doubt', 'verdict.coordinator.in_doubt.age', 'verdict.coordinator.underway']
    const points = await Promise.all(names.map((name) => recorded.points(name)))
    return points.map(([point]) => point?.value)
  }

  test('is told by the leader alone: how many, and how old the oldest is', async () => {
    const nowMs = scene.clock.wallMs()
    scene.replica.record({ ...decision(id(1), 'committed'), decidedAtMs: nowMs - 5_000 })
    scene.replica.record({ ...decision(id(2), 'committed'), decidedAtMs: nowMs - 9_000 })
    await scene.start()
    expect(await valuesOf()).toEqual([0, 0, 0])
    scene.raft(became(3))
    expect(await valuesOf()).toEqual([2, 5, 0])
    scene.raft(lost(3))
    expect(await valuesOf()).toEqual([0, 0, 0])
  })

  test('is nothing when there is nothing', async () => {
    await scene.start([became(1)])
    expect(await valuesOf()).toEqual([0, 0, 0])
  })

  test('is not asked for any more after a stop', async () => {
    const end = vi.fn()
    vi.spyOn(CoordinatorMetering.prototype, 'observe').mockReturnValueOnce(end)
    const coordinator = await scene.start([became(1)])
    expect(end).not.toHaveBeenCalled()
    await coordinator.stop()
    expect(end).toHaveBeenCalledOnce()
  })
})

describe('stopping', () => {
  test('it hears nothing any more, leads no more, and stops Raft once', async () => {
    const coordinator = await scene.start([became(1)])
    await Promise.all([coordinator.stop(), coordinator.stop()])
    scene.raft(became(2))
    expect(scene.serves).toBe(false)
    expect(scene.bus.bring({ subject: statusSubject, ...ignored })).toBe(0)
    expect(scene.bus.bring({ subject: on.vote(group, p), ...ignored })).toBe(0)
    expect(scene.replica.stops).toBe(1)
    await settled()
    expect(scene.clock.pending).toBe(0)
  })
})
