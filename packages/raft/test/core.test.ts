import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { step } from '../src/core.ts'
import { entryBytes } from '../src/log.ts'
import { encodeMembership } from '../src/membership.ts'
import type { LogIndex, ReplicaId, Term } from '../src/message.ts'
import { membershipOf } from '../src/state.ts'
import { DrivenCore } from './driven-core.ts'

const three = ['n1', 'n2', 'n3']
const withLearner = { voters: three, learners: ['n4'] }

function kinds({ sent }: DrivenCore): readonly string[] {
  return sent.map(({ kind, to }) => `${kind} ${to}`)
}

function notices({ effects }: DrivenCore): readonly string[] {
  return effects.flatMap((effect) => (effect.kind === 'notice' ? [effect.event.kind] : []))
}

describe('whoever hears a leader helps nobody to depose it', () => {
  test('a follower does not take on the term of who asks for its vote, nor answers', () => {
    const core = new DrivenCore({ voters: three }).follow('n2', 1).askedForVote('n3', 9, false)
    expect(core.sent).toEqual([])
    expect(core.term).toBe(1)
  })

  test('nor does the leader itself', () => {
    const core = new DrivenCore({ voters: three }).stand('n2').askedForVote('n3', 9, false)
    expect(core.state.role.kind).toBe('leader')
    expect(core.term).toBe(1)
  })

  test('nor does a follower grant a pre-vote', () => {
    const core = new DrivenCore({ voters: three }).follow('n2', 1)
    const { log } = core.state
    core.hear('n3', { kind: 'requestPreVote', term: 2 as Term, lastIndex: log.baseIndex, lastTerm: log.baseTerm })
    expect(core.sent).toMatchObject([{ kind: 'preVoteReply', to: 'n3', granted: false }])
  })

  test('except when the leader itself wants it so', () => {
    const follower = new DrivenCore({ voters: three }).follow('n2', 1).askedForVote('n3', 2, true)
    expect(follower.sent).toMatchObject([{ kind: 'voteReply', to: 'n3', term: 2, granted: true }])
    const leader = new DrivenCore({ voters: three }).stand('n2').acknowledge('n2').askedForVote('n2', 2, true)
    expect(leader.sent).toMatchObject([{ kind: 'voteReply', to: 'n2', term: 2, granted: true }])
    expect(leader.state.role.kind).toBe('follower')
  })

  test('after a time without it they do', () => {
    const core = new DrivenCore({ voters: three }).follow('n2', 1)
    core.tick(499).askedForVote('n3', 2, false)
    expect(core.sent).toEqual([])
    core.state.electionElapsedMs = 0
    core.tick(1).askedForVote('n3', 2, false)
    expect(core.sent).toMatchObject([{ kind: 'voteReply', term: 2, granted: true }])
  })
})

describe('only voters count', () => {
  test('a learner and a stranger elect nobody', () => {
    const core = new DrivenCore(withLearner).tick(500)
    for (const other of ['n4', 'n9']) core.hear(other, { kind: 'preVoteReply', term: 1 as Term, granted: true })
    expect(core.state.role.kind).toBe('preCandidate')
    core.hear('n2', { kind: 'preVoteReply', term: 1 as Term, granted: true })
    expect(kinds(core)).toEqual(['requestVote n2', 'requestVote n3'])
    for (const other of ['n4', 'n9']) core.hear(other, { kind: 'voteReply', term: 1 as Term, granted: true })
    expect(core.state.role.kind).toBe('candidate')
    core.hear('n3', { kind: 'voteReply', term: 1 as Term, granted: true })
    expect(core.state.role.kind).toBe('leader')
  })

  test('what is on the disk of a learner is not committed for that', () => {
    const core = new DrivenCore(withLearner).stand('n2').acknowledge('n4', 'n9')
    expect(core.state.commitIndex).toBe(0)
    core.acknowledge('n3')
    expect(core.state.commitIndex).toBe(1)
  })

  test('a learner confirms no read', () => {
    const core = new DrivenCore(withLearner).stand('n2').acknowledge('n2').happen({ kind: 'asked', read: 7 })
    core.answer('n4', 'n9')
    expect(core.effects).toEqual([])
    core.answer('n3')
    expect(core.effects).toContainEqual({ kind: 'readConfirmed', read: 7 })
  })

  test('a leader whom only learners answer leads no longer', () => {
    const core = new DrivenCore(withLearner).stand('n2').acknowledge('n2')
    core.tick(400).answer('n4').tick(99)
    expect(core.state.role.kind).toBe('leader')
    core.tick(1)
    expect(core.state.role.kind).toBe('follower')
    expect(notices(core)).toEqual(['lostQuorum', 'lostLeadership', 'leaderChanged'])
  })

  test('a voter that answers keeps it', () => {
    const core = new DrivenCore(withLearner).stand('n2').acknowledge('n2')
    core.tick(400).answer('n3').tick(400)
    expect(core.state.role.kind).toBe('leader')
  })
})

describe('a leader that removed itself', () => {
  const leaving = (): DrivenCore => {
    const core = new DrivenCore({ voters: three }).stand('n2').acknowledge('n2')
    return core.happen({ kind: 'changeProposed', proposal: 1, change: { kind: 'remove', replica: 'n1' as ReplicaId } })
  }

  test('does not count its own disk', () => {
    const core = leaving().acknowledge('n2')
    expect(core.state.commitIndex).toBe(1)
    core.acknowledge('n3')
    expect(core.state.commitIndex).toBe(2)
  })

  test('does not count its own word on who leads', () => {
    const core = leaving().happen({ kind: 'asked', read: 1 }).answer('n2')
    expect(core.effects.some(({ kind }) => kind === 'readConfirmed')).toBe(false)
    core.happen({ kind: 'asked', read: 2 }).answer('n2', 'n3')
    expect(core.effects).toContainEqual({ kind: 'readConfirmed', read: 2 })
  })

  test('leaves after an election time-out even if nobody takes over', () => {
    const core = leaving().acknowledge('n2', 'n3')
    expect(kinds(core)).toContain('timeoutNow n2')
    core.tick(250).answer('n2', 'n3').tick(249)
    expect(core.state.role.kind).toBe('leader')
    core.tick(1)
    expect(core.state.role.kind).toBe('follower')
    core.tick(5000)
    expect(core.sent).toEqual([])
  })
})

test.each([
  ['a learner', { id: 'n4', ...withLearner }],
  ['a replica that joins', { id: 'n4', voters: [] }],
  ['a replica that was removed', { id: 'n4', voters: three }],
])('%s never stands', (_, options) => {
  const core = new DrivenCore(options).tick(5000)
  expect(core.effects).toEqual([])
  core.follow('n1', 1).tick(5000)
  expect(core.sent.filter(({ kind }) => kind === 'requestPreVote')).toEqual([])
})

test.each([
  ['a learner', { id: 'n4', ...withLearner }],
  ['a replica that joins', { id: 'n4', voters: [] }],
  ['a replica that does not know the candidate', { id: 'n2', voters: three }],
])('%s answers all the same when it is asked for its vote: its own membership may be old', (_, options) => {
  const core = new DrivenCore(options).askedForVote('n7', 3, false)
  expect(core.sent).toMatchObject([{ kind: 'voteReply', to: 'n7', term: 3, granted: true }])
  core.askedForVote('n8', 3, false)
  expect(core.sent).toMatchObject([{ kind: 'voteReply', to: 'n8', term: 3, granted: false }])
})

test('what the log says of the members counts again after a restart, applied or not', () => {
  const command = encodeMembership({ voters: ['n2', 'n3', 'n4'] as ReplicaId[], learners: ['n1'] as ReplicaId[] })
  const entry = { term: 1 as Term, index: 1 as LogIndex, kind: 'members', command } as const
  const core = new DrivenCore({ voters: three, term: 1, entries: [entry] })
  expect(membershipOf(core.state)).toMatchObject({ index: 1, voters: ['n2', 'n3', 'n4'], learners: ['n1'] })
})

test('whoever is removed by a change that may not be committed stands, but does not vote for itself', () => {
  const command = encodeMembership({ voters: ['n2', 'n3', 'n4'] as ReplicaId[], learners: [] })
  const entry = { term: 1 as Term, index: 1 as LogIndex, kind: 'members', command } as const
  const core = new DrivenCore({ voters: three, term: 1, entries: [entry] }).tick(1000)
  expect(kinds(core)).toEqual(['requestPreVote n2', 'requestPreVote n3', 'requestPreVote n4'])
  core.hear('n2', { kind: 'preVoteReply', term: 2 as Term, granted: true })
  expect(core.state.role.kind).toBe('preCandidate')
  core.hear('n3', { kind: 'preVoteReply', term: 2 as Term, granted: true })
  core.hear('n2', { kind: 'voteReply', term: 2 as Term, granted: true })
  expect(core.state.role.kind).toBe('candidate')
  core.hear('n3', { kind: 'voteReply', term: 2 as Term, granted: true })
  expect(core.state.role.kind).toBe('leader')
})

test('what waits for a flush that does not end takes no more than its bound', () => {
  const { state } = new DrivenCore({ voters: three })
  const request = { term: 5 as Term, lastIndex: 0 as LogIndex, lastTerm: 0 as Term }
  const from = 'n2' as ReplicaId
  step(state, [{ kind: 'received', from, message: { kind: 'requestVote', ...request, isTransfer: false } }])
  for (let round = 0; round < 5000; round++) {
    step(state, [{ kind: 'received', from, message: { kind: 'requestPreVote', ...request } }])
  }
  expect(state.held).toHaveLength(1024)
  const effects = step(state, [{ kind: 'persisted', write: 1 }])
  expect(effects[0]).toMatchObject({ kind: 'send', to: 'n2', message: { kind: 'voteReply', granted: true } })
})

describe('what was applied', () => {
  const settings = { applyFlushEntries: 3, applyFlushMs: 200 }
  const leader = (): DrivenCore => new DrivenCore({ voters: three, settings }).stand('n2').acknowledge('n2')
  /** For each write of the last event whether it has what was applied. */
  const writes = ({ effects }: DrivenCore): readonly boolean[] =>
    effects.flatMap((effect) => (effect.kind === 'persist' ? [effect.membership !== undefined] : []))

  test('is left for a later write while it is little, and taken along by the next once it is not', () => {
    const core = leader() // whose first entry is applied
    expect(writes(core.propose('a'))).toEqual([false])
    expect(writes(core.acknowledge('n2').propose('b'))).toEqual([false])
    expect(writes(core.acknowledge('n2'))).toEqual([]) // three are applied, yet nothing is to be written
    expect(writes(core.propose('c'))).toEqual([true])
    expect(writes(core.acknowledge('n2').propose('d'))).toEqual([false])
  })

  test('is written by itself after a while', () => {
    const core = leader()
    expect(writes(core.tick(199))).toEqual([])
    expect(writes(core.tick(1))).toEqual([true])
    expect(writes(core.tick(500))).toEqual([])
  })
})

test('the disk is told the members as of what is applied, not those that may be rolled back', () => {
  const settings = { applyFlushEntries: 1 }
  const core = new DrivenCore({ voters: three, settings }).stand('n2').acknowledge('n2')
  core.happen({ kind: 'changeProposed', proposal: 1, change: { kind: 'addLearner', replica: 'n4' as ReplicaId } })
  const written = core.effects.find((effect) => effect.kind === 'persist')
  expect(written).toMatchObject({ membership: { index: 0, voters: three, learners: [] } })
})

describe('to stand at once', () => {
  const timeoutNow = (term: number): { kind: 'timeoutNow'; term: Term } => ({ kind: 'timeoutNow', term: term as Term })

  test('needs no pre-vote, and says that the leader wants it', () => {
    const core = new DrivenCore({ voters: three }).follow('n2', 1).hear('n2', timeoutNow(1))
    expect(core.sent).toMatchObject([
      { kind: 'requestVote', to: 'n2', term: 2, isTransfer: true },
      { kind: 'requestVote', to: 'n3', term: 2, isTransfer: true },
    ])
  })

  test('is the word of the present leader alone', () => {
    const core = new DrivenCore({ voters: three }).follow('n2', 5)
    expect(core.hear('n3', timeoutNow(5)).sent).toEqual([])
    expect(core.hear('n2', timeoutNow(4)).sent).toEqual([])
    expect(core.hear('n3', timeoutNow(6)).sent).toEqual([])
  })

  test('is not for learners', () => {
    const core = new DrivenCore({ id: 'n4', ...withLearner }).follow('n1', 1)
    expect(core.hear('n1', timeoutNow(1)).sent).toEqual([])
  })

  test('is said only when all is committed and the target has it', () => {
    const core = new DrivenCore({ voters: [...three, 'n4', 'n5'] })
      .stand('n2', 'n3')
      .acknowledge('n2', 'n3')
      .propose('a')
    core.happen({ kind: 'transferAsked', transfer: 1, to: 'n2' as ReplicaId })
    expect(kinds(core)).toEqual([])
    core.acknowledge('n2')
    expect(kinds(core)).not.toContain('timeoutNow n2')
    core.acknowledge('n3')
    expect(kinds(core)).toContain('timeoutNow n2')
  })
})

test('a disk that forgot what it had told the leader stops the replica', () => {
  const core = new DrivenCore({ voters: three }).follow('n2', 1)
  const told = { term: 1 as Term, round: 2, commitIndex: core.state.commitIndex, sentIndex: core.state.commitIndex }
  core.hear('n2', { kind: 'heartbeat', ...told, matchIndex: core.state.log.durableIndex })
  expect(() => core.hear('n2', { kind: 'heartbeat', ...told, matchIndex: 1 as typeof told.sentIndex })).toThrow(
    expect.objectContaining({ name: 'StoreError', code: 'outdated' }),
  )
})

test('bytes on their way to one follower are bounded, however much waits', () => {
  const settings = { maxAppendBytes: 4000, maxAppendsInFlight: 3 }
  const batches = fc.array(fc.array(fc.nat(3900), { maxLength: 10 }), { maxLength: 8 })
  fc.assert(
    fc.property(batches, (turns) => {
      const core = new DrivenCore({ voters: three, settings }).stand('n2').acknowledge('n2', 'n3')
      let inFlight = 0
      for (const sizes of turns) {
        core.propose(...sizes.map((size) => 'x'.repeat(size)))
        for (const message of core.sent) {
          if (message.kind !== 'append' || message.to !== 'n3') continue
          const bytes = message.entries.reduce((sum, entry) => sum + entryBytes(entry), 0)
          expect(bytes).toBeLessThanOrEqual(settings.maxAppendBytes)
          inFlight += bytes
        }
        expect(inFlight).toBeLessThanOrEqual(settings.maxAppendsInFlight * settings.maxAppendBytes)
      }
    }),
  )
})
