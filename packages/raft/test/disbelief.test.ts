import { Simulation } from '@verdict/runtime/simulated'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../src/codec.ts'
import type { Append, LogIndex, Message, ReplicaId, Term } from '../src/message.ts'
import type { RaftEvent } from '../src/notice.ts'
import { RunningReplica } from '../src/running-replica.ts'
import { initSimulatedStore, openSimulatedStore } from '../src/simulated-store.ts'
import { checksumAfter } from '../src/snapshot-values.ts'
import { DrivenCore } from './driven-core.ts'
import { forgery } from './forgery.ts'
import { machine } from './scene.ts'

const three = ['n1', 'n2', 'n3']

function disbelieved({ effects }: DrivenCore): readonly string[] {
  return effects.flatMap((effect) =>
    effect.kind === 'notice' && effect.event.kind === 'disbelieved' ? [effect.event.replica] : [],
  )
}

function append(term: number, prevIndex: number, prevTerm: number, terms: readonly number[], commit: number): Append {
  const entries = terms.map((entryTerm, place) => {
    const index = (prevIndex + place + 1) as LogIndex
    return { term: entryTerm as Term, index, kind: 'command', command: Buffer.from(`${entryTerm}`) } as const
  })
  const at = { prevIndex: prevIndex as LogIndex, prevTerm: prevTerm as Term, commitIndex: commit as LogIndex }
  return { kind: 'append', term: term as Term, ...at, entries }
}

function chunk(term: number, index: number, snapshotTerm = term): Message {
  const membership = { index: 0 as LogIndex, voters: three as ReplicaId[], learners: [] }
  const header = { index: index as LogIndex, term: snapshotTerm as Term, membership }
  return {
    kind: 'snapshotChunk',
    term: term as Term,
    header,
    after: '',
    values: [],
    checksum: checksumAfter(0, []),
    done: true,
  }
}

describe('what contradicts what is certain is dropped, and told', () => {
  test('a second leader of a term, before a follower and before the first', () => {
    const follower = new DrivenCore({ voters: three }).follow('n2', 1).follow('n3', 1)
    expect(disbelieved(follower)).toEqual(['n3'])
    expect(follower.sent).toEqual([])
    const leader = new DrivenCore({ voters: three }).stand('n2').follow('n3', 1)
    expect(disbelieved(leader)).toEqual(['n3'])
    expect(leader.state.role.kind).toBe('leader')
  })

  test.each([
    ['after the position', append(2, 1, 1, [2, 2], 0)],
    ['at the position', append(2, 2, 2, [2], 0)],
    ['at the end of an old append', append(2, 0, 0, [1, 2], 0)],
  ])('a leader of later that has another entry where one is committed, %s', (_, forged) => {
    const core = new DrivenCore({ voters: three }).hear('n2', append(1, 0, 0, [1, 1], 2))
    expect(core.state.commitIndex).toBe(2)
    core.hear('n3', forged)
    expect(disbelieved(core)).toEqual(['n3'])
    expect(core.state.log.entries.map(({ term }) => term)).toEqual([1, 1])
  })

  test('a leader that takes back what it sent in its term', () => {
    const core = new DrivenCore({ voters: three, term: 1 }).hear('n2', append(2, 0, 0, [1, 1], 0))
    core.hear('n2', append(2, 1, 1, [2], 0))
    expect(disbelieved(core)).toEqual(['n2'])
  })

  test('a follower that has more than its leader', () => {
    const core = new DrivenCore({ voters: three }).stand('n2')
    const more = { receivedIndex: 2 as LogIndex, matchIndex: 2 as LogIndex }
    core.hear('n2', { kind: 'appendReply', term: core.term, ...more })
    expect(disbelieved(core)).toEqual(['n2'])
    core.hear('n2', { kind: 'heartbeatReply', term: core.term, round: 1, sentIndex: 2 as LogIndex, ...more })
    expect(disbelieved(core)).toEqual(['n2'])
    expect(core.state.commitIndex).toBe(0)
  })

  test('a snapshot that is not what its leader\u2019s log says', () => {
    const core = new DrivenCore({ voters: three, term: 1 })
      .hear('n2', append(2, 0, 0, [1, 1], 0))
      .hear('n2', chunk(2, 2))
    expect(disbelieved(core)).toEqual(['n2'])
    expect(core.state.incoming).toBeUndefined()
  })
})

describe('whoever installs a snapshot lacks what is committed, until it is done', () => {
  const installing = (): DrivenCore => new DrivenCore({ voters: three, term: 1 }).hear('n2', chunk(1, 5))

  test('and does not stand, neither by itself nor when it is told to', () => {
    const core = installing()
    expect(core.state.incoming?.phase).toBe('installing')
    expect(core.hear('n2', { kind: 'timeoutNow', term: 1 as Term }).sent).toEqual([])
    expect(core.tick(5000).sent).not.toContainEqual(expect.objectContaining({ kind: 'requestPreVote' }))
    expect(core.state.role.kind).toBe('follower')
  })

  test('and takes no word about another snapshot, not even one that its old log has', () => {
    const { entries } = append(1, 0, 0, [1, 1, 1], 0)
    const core = new DrivenCore({ voters: three, term: 1, entries }).hear('n2', chunk(2, 2)).hear('n2', chunk(2, 3, 1))
    expect(core.sent).toEqual([])
    expect(core.state.commitIndex).toBe(0)
  })
})

type Act =
  | { readonly kind: 'hear'; readonly from: string; readonly forge: (replica: RunningReplica<string>) => Message }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'call'; readonly call: (replica: RunningReplica<string>) => Promise<unknown> }

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('hear' as const),
      from: fc.constantFrom('n2', 'n2', 'n3', 'n9'),
      forge: forgery,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 50, 600, 1100) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('call' as const),
      call: fc.constantFrom<((replica: RunningReplica<string>) => Promise<unknown>)[]>(
        (replica) => replica.propose(Buffer.from('p')),
        (replica) => replica.confirmLeadership(),
        (replica) => replica.removeReplica('n1' as ReplicaId),
        (replica) => replica.removeReplica('n3' as ReplicaId),
        (replica) => replica.addReplica('n9' as ReplicaId),
        (replica) => replica.transferLeadership('n2' as ReplicaId),
      ),
    }),
  },
)

/** Lets a replica hear what is forged, as if it came from the others, who are not there. */
async function besiege(acts: readonly Act[], members: readonly ReplicaId[]): Promise<readonly RaftEvent[]> {
  const simulation = new Simulation({ seed: 1 })
  const events: RaftEvent[] = []
  const id = 'n1' as ReplicaId
  const subject = (from: string, to: string): string => `raft.${from}.${to}`
  let replica: RunningReplica<string> | undefined
  const process = simulation.process(id, (world) => {
    replica = new RunningReplica({
      id,
      store: openSimulatedStore({ disk: world.disk, group: 'g', replica: id, members }),
      machine,
      world,
      settings: { entriesInMemory: 1, retainedEntries: 1 },
      subject,
      onEvent: (event) => events.push(event),
    })
  })
  const forger = simulation.process('forger', () => {})
  initSimulatedStore({ disk: process.disk, group: 'g', replica: id, members })
  process.start()
  forger.start()
  await simulation.run({ untilMs: 1 })
  for (const next of acts) {
    if (replica === undefined) throw new Error('The replica runs.')
    if (next.kind === 'wait') await simulation.run({ untilMs: simulation.nowMs + next.ms })
    else if (next.kind === 'call') next.call(replica).catch(() => {})
    else {
      forger.world.bus.publish(subject(next.from, id), encodeMessage(next.forge(replica)))
      await simulation.run({ untilMs: simulation.nowMs + 2 })
    }
  }
  await simulation.run({ untilMs: simulation.nowMs + 2_000 })
  return events
}

test.each([
  ['voter', ['n1', 'n2', 'n3']],
  ['only replica', ['n1']],
  ['replica that joins', []],
])('whatever others say, true or not, a %s does not fail of it', async (_, members) => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 40 }), async (acts) => {
      const failed = (await besiege(acts, members as ReplicaId[])).find(({ kind }) => kind === 'failed')
      if (failed?.kind === 'failed') throw failed.error
    }),
    { numRuns: 200 },
  )
})
