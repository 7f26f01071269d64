import { expect, test } from 'vitest'
import { lastIndexOf } from '../src/log.ts'
import type { LogIndex, ReplicaId } from '../src/message.ts'
import type { Progress } from '../src/progress.ts'
import { defaultSettings } from '../src/settings.ts'
import type { SnapshotHeader } from '../src/snapshot-header.ts'
import { maxKeyLength } from '../src/space.ts'
import { type Leader, settledMembershipOf } from '../src/state.ts'
import { DrivenCore } from './driven-core.ts'
import { command, Scene } from './scene.ts'

const late = 'n3' as ReplicaId
const { heartbeatMs, catchUpPatienceMs } = defaultSettings

/** A leader whose follower `n3` has just got a snapshot up to `index`, and misses `behind` entries that were written meanwhile. */
function afterSnapshot(index: number, behind: number): DrivenCore {
  const core = new DrivenCore({ voters: ['n1', 'n2', late] }).stand('n2')
  write(core, index - lastIndexOf(core.state.log))
  core.happen({ kind: 'compacted', to: late, prevIndex: 0 as LogIndex })
  core.happen({ kind: 'snapshotRead', to: late, header: headerAt(core, index), after: '', values: [], done: true })
  write(core, behind)
  return holds(core, index)
}

function headerAt({ state, term }: DrivenCore, index: number): SnapshotHeader {
  return { index: index as LogIndex, term, membership: settledMembershipOf(state) }
}

function write(core: DrivenCore, entries: number): void {
  core.propose(...Array.from({ length: entries }, (_, at) => `${at}`)).acknowledge('n2')
}

/** The late follower says that its disk holds the log up to there. */
function holds(core: DrivenCore, index: number): DrivenCore {
  const matchIndex = index as LogIndex
  return core.hear(late, { kind: 'appendReply', term: core.term, receivedIndex: matchIndex, matchIndex })
}

/** Time goes by, while the other follower answers. */
function pass(core: DrivenCore, elapsedMs: number): void {
  for (let passedMs = 0; passedMs < elapsedMs; passedMs += heartbeatMs) core.tick(heartbeatMs).answer('n2')
}

/** Up to where the next write may forget the log; undefined when nobody needs any of it. */
function neededIndex(core: DrivenCore): LogIndex | undefined {
  core.propose('next')
  const written = core.effects.find((effect) => effect.kind === 'persist')
  if (written?.kind !== 'persist') throw new Error('a proposal is written')
  return written.neededIndex
}

test('the log stays for a follower that has a snapshot, from where its disk has come to', () => {
  const core = afterSnapshot(10, 200)
  expect(neededIndex(core)).toBe(10)
  holds(core, 90)
  expect(neededIndex(core)).toBe(90)
})

test('nothing is kept for followers that got no snapshot, however far they are behind', () => {
  const core = new DrivenCore({ voters: ['n1', 'n2', late] }).stand('n2')
  write(core, 200)
  expect(neededIndex(core)).toBeUndefined()
})

test('the log is kept as long as the follower comes a sixteenth nearer each time, and for a while after the last time', () => {
  const core = afterSnapshot(10, 160)
  pass(core, catchUpPatienceMs - heartbeatMs)
  holds(core, 10 + 10 + 1)
  pass(core, catchUpPatienceMs)
  expect(neededIndex(core)).toBe(21)
  pass(core, heartbeatMs)
  expect(neededIndex(core)).toBeUndefined()
})

test('a sixteenth in all that time, and no more, is not enough', () => {
  const core = afterSnapshot(10, 160)
  pass(core, catchUpPatienceMs - heartbeatMs)
  holds(core, 10 + 10)
  pass(core, heartbeatMs)
  expect(neededIndex(core)).toBeUndefined()
})

test('a follower that has arrived is waited for no longer', () => {
  const core = afterSnapshot(10, 160)
  holds(core, lastIndexOf(core.state.log))
  pass(core, catchUpPatienceMs)
  expect(neededIndex(core)).toBe(170)
  pass(core, heartbeatMs)
  expect(neededIndex(core)).toBeUndefined()
})

test('a follower that falls back and makes up for it has come no nearer', () => {
  const core = afterSnapshot(10, 200)
  for (let index = 60; index < 60 + 4 * 50; index += 50) {
    write(core, 100)
    pass(core, heartbeatMs)
    holds(core, index)
    pass(core, catchUpPatienceMs / 4 - 2 * heartbeatMs)
    expect(neededIndex(core)).toBe(index)
  }
  pass(core, 8 * heartbeatMs)
  expect(neededIndex(core)).toBeUndefined()
})

test('a follower that needs a snapshot after all is served from that, and needs nothing of the log', () => {
  const core = afterSnapshot(10, 200)
  expect(neededIndex(core)).toBe(10)
  const { nextIndex } = (core.state.role as Leader).followers.get(late) as Progress
  core.happen({ kind: 'compacted', to: late, prevIndex: (nextIndex - 1) as LogIndex })
  expect(neededIndex(core)).toBeUndefined()
})

test('a replica that lost the leadership keeps nothing for others', () => {
  const core = afterSnapshot(10, 200)
  core.follow('n2', core.term + 1)
  core.happen({ kind: 'received', from: 'n2' as ReplicaId, message: appendTo(core) })
  const written = core.effects.find((effect) => effect.kind === 'persist')
  expect(written).toMatchObject({ neededIndex: undefined })
})

function appendTo({ state, term }: DrivenCore): Parameters<DrivenCore['hear']>[1] {
  const prevIndex = lastIndexOf(state.log)
  const entry = { kind: 'command', index: (prevIndex + 1) as LogIndex, term, command: command('theirs') } as const
  const prevTerm = state.log.entries.at(-1)?.term as typeof term
  return { kind: 'append', term, prevIndex, prevTerm, entries: [entry], commitIndex: state.commitIndex }
}

test('of two that catch up the one that is further behind counts', () => {
  const core = afterSnapshot(10, 200)
  const early = 'n4' as ReplicaId
  core.happen({ kind: 'changeProposed', proposal: 0, change: { kind: 'addLearner', replica: early } }).acknowledge('n2')
  const at = lastIndexOf(core.state.log)
  core.happen({ kind: 'compacted', to: early, prevIndex: at })
  core.happen({ kind: 'snapshotRead', to: early, header: headerAt(core, at), after: '', values: [], done: true })
  core.hear(early, { kind: 'appendReply', term: core.term, receivedIndex: at, matchIndex: at })
  expect(neededIndex(core)).toBe(10)
  holds(core, at + 1)
  expect(neededIndex(core)).toBe(at)
})

test('a follower that comes in under load needs one snapshot, though more is written meanwhile than stays of the log', async () => {
  const scene = new Scene(3, { retainedEntries: 4, applyFlushEntries: 1, entriesInMemory: 2, maxAppendBytes: 4096 })
  const { id, replica } = await scene.leader()
  const absent = scene.members.find((member) => member !== id) as ReplicaId
  const process = scene.simulation.processes.get(absent)
  process?.crash()
  const load = async (round: number): Promise<void> => {
    await scene.outcomes([1, 2, 3].map((at) => replica.propose(command(`${round}.${at}`.padEnd(maxKeyLength / 2)))))
  }
  for (let round = 0; round < 100; round++) await load(round)
  process?.start()
  const isIn = (): boolean => {
    const follower = scene.replicas.get(absent)?.status()
    return follower !== undefined && replica.status().lastIndex - follower.lastIndex <= 8
  }
  for (let round = 100; !isIn(); round++) {
    expect(round).toBeLessThan(1000)
    await load(round)
  }
  expect(scene.events.filter(({ kind, on }) => kind === 'snapshotInstalled' && on === absent)).toHaveLength(1)
})
