import { expect, test } from 'vitest'
import { decodeMessage, encodeMessage } from '../src/codec.ts'
import { step } from '../src/core.ts'
import type { Effect } from '../src/effect.ts'
import type { Event } from '../src/event.ts'
import { lastIndexOf } from '../src/log.ts'
import type { LogIndex, Message, ReplicaId, SnapshotChunk, Term } from '../src/message.ts'
import { defaultSettings } from '../src/settings.ts'
import { checksumAfter, type SpaceValues } from '../src/snapshot-values.ts'
import { createState, type RaftState } from '../src/state.ts'
import { entryAt } from './store-contract.ts'

const term = 4 as Term
const leader = 'n2' as ReplicaId
const voters = ['n1', 'n2', 'n3'] as ReplicaId[]
const membership = { index: 0 as LogIndex, voters, learners: [] }

/** A follower with these entries in its log, the first `applied` of them applied. */
function follower(terms: readonly number[], applied = 0): RaftState {
  const entries = terms.map((entryTerm, at) => entryAt(at + 1, entryTerm))
  return createState({
    id: 'n1' as ReplicaId,
    settings: defaultSettings,
    hardState: { term, votedFor: undefined },
    appliedIndex: applied as LogIndex,
    appliedTerm: (terms[applied - 1] ?? 0) as Term,
    entries: entries.slice(applied),
    membership,
    staged: undefined,
    chance: 0,
  })
}

function chunk(index: number, snapshotTerm: number, part: Partial<SnapshotChunk> = {}): SnapshotChunk {
  const header = { index: index as LogIndex, term: snapshotTerm as Term, membership }
  const values: SpaceValues = [['a', Buffer.from('1')]]
  const checksum = checksumAfter(0, values)
  return { kind: 'snapshotChunk', term, header, after: '', values, checksum, done: true, ...part }
}

function take(state: RaftState, message: Message): readonly Effect[] {
  return step(state, [{ kind: 'received', from: leader, message }])
}

function kinds(effects: readonly Effect[]): readonly string[] {
  return effects.filter(({ kind }) => kind !== 'notice').map(({ kind }) => kind)
}

function sentBy(effects: readonly Effect[]): readonly Message[] {
  return effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message] : []))
}

/** The write that is under way lands. */
function landed(state: RaftState): readonly Effect[] {
  return step(state, [{ kind: 'persisted', write: state.writes }])
}

test('a snapshot of what the log holds takes nothing away, and says that it is there', () => {
  const state = follower([1, 2, 3, 3])
  const effects = take(state, chunk(2, 2))
  expect(sentBy(effects)).toEqual([{ kind: 'appendReply', term, receivedIndex: 2, matchIndex: 2 }])
  expect([lastIndexOf(state.log), state.commitIndex]).toEqual([4, 2])
  expect(state.incoming).toBeUndefined()
})

test('a snapshot older than what is committed is answered, and changes nothing', () => {
  const state = follower([1, 2, 3, 3], 3)
  const effects = take(state, chunk(2, 2))
  expect(kinds(effects)).toEqual(['send'])
  expect([state.commitIndex, state.appliedIndex, lastIndexOf(state.log)]).toEqual([3, 3, 4])
})

test('a snapshot whose last entry the log has in another term takes the place of the log, and of what follows there', () => {
  const state = follower([1, 1, 1, 1])
  expect(kinds(take(state, chunk(3, 2)))).toEqual(['persist'])
  expect(kinds(landed(state))).toEqual(['install'])
  const effects = landed(state)
  expect(sentBy(effects)).toEqual([{ kind: 'appendReply', term, receivedIndex: 3, matchIndex: 3 }])
  expect([lastIndexOf(state.log), state.log.baseTerm, state.commitIndex, state.appliedIndex]).toEqual([3, 2, 3, 3])
})

test('a chunk whose checksum is not that of all values so far is not staged', () => {
  const state = follower([])
  expect(kinds(take(state, chunk(5, 2, { checksum: 7 })))).toEqual(['send'])
  expect(state.incoming).toBeUndefined()
  const first = chunk(5, 2, { done: false })
  expect(kinds(take(state, first))).toEqual(['persist'])
  landed(state)
  const values: SpaceValues = [['b', Buffer.from('2')]]
  const [reply] = sentBy(take(state, chunk(5, 2, { after: 'a', values, checksum: checksumAfter(0, values) })))
  expect(reply).toMatchObject({ kind: 'snapshotReply', position: '' })
  expect(state.staged).toBeUndefined()
})

test('one chunk is taken at a time, and answered when the disk has it', () => {
  const state = follower([])
  const first = chunk(5, 2, { done: false })
  take(state, first)
  expect(take(state, first)).toEqual([])
  expect(sentBy(landed(state))).toMatchObject([{ kind: 'snapshotReply', position: 'a' }])
})

test('between the last chunk and the installation nothing is taken into the log or applied', () => {
  const state = follower([1, 1])
  const append: Message = {
    kind: 'append',
    term,
    prevIndex: 2 as LogIndex,
    prevTerm: 1 as Term,
    entries: [3, 4, 5, 6, 7].map((index) => entryAt(index, 4)),
    commitIndex: 2 as LogIndex,
  }
  take(state, { ...append, entries: [], commitIndex: 0 as LogIndex })
  take(state, chunk(5, 2))
  for (let write = 0; write < 2; write++) {
    expect(kinds(take(state, append))).toEqual([])
    const heartbeat = { commitIndex: 2 as LogIndex, round: 1, sentIndex: 0 as LogIndex, matchIndex: 0 as LogIndex }
    expect(kinds(take(state, { kind: 'heartbeat', term, ...heartbeat }))).toEqual(['send'])
    landed(state)
  }
  expect([lastIndexOf(state.log), state.appliedIndex]).toEqual([5, 5])
  // What the leader is told afterwards is what the snapshot brought.
  const heartbeat = { commitIndex: 7 as LogIndex, round: 1, sentIndex: 7 as LogIndex, matchIndex: 0 as LogIndex }
  const [answer] = sentBy(take(state, { kind: 'heartbeat', term, ...heartbeat }))
  expect(answer).toMatchObject({ receivedIndex: 5, matchIndex: 5 })
})

test('a chunk that lands when another term has begun meanwhile is staged all the same', () => {
  const state = follower([])
  take(state, chunk(5, 2, { done: false }))
  const heartbeat = { commitIndex: 0 as LogIndex, round: 1, sentIndex: 0 as LogIndex, matchIndex: 0 as LogIndex }
  take(state, { kind: 'heartbeat', term: 6 as Term, ...heartbeat })
  landed(state)
  expect(state.staged?.position).toBe('a')
  expect(sentBy(landed(state))).toMatchObject([{ kind: 'heartbeatReply' }, { kind: 'snapshotReply', position: 'a' }])
})

test('chunks keep an election away, as heartbeats do', () => {
  const state = follower([])
  for (let passes = 0; passes < 5; passes++) {
    step(state, [{ kind: 'tick', elapsedMs: 400, chance: 0 }])
    take(state, chunk(5, 2, { done: false }))
  }
  expect(state.role.kind).toBe('follower')
})

/** A leader whose store has forgotten what n3 needs, and n3's progress. */
function leading(): { readonly state: RaftState; readonly happen: (event: Event) => readonly Effect[] } {
  const state = follower([1, 1], 2)
  const happen = (event: Event): readonly Effect[] => step(state, [event])
  happen({ kind: 'tick', elapsedMs: 1000, chance: 0 })
  const reply = { granted: true, term: (term + 1) as Term }
  happen({ kind: 'received', from: leader, message: { kind: 'preVoteReply', ...reply } })
  landed(state)
  happen({ kind: 'received', from: leader, message: { kind: 'voteReply', ...reply } })
  const behind = { prevIndex: 2 as LogIndex, hintIndex: 0 as LogIndex, hintTerm: 0 as Term }
  const from = 'n3' as ReplicaId
  happen({ kind: 'received', from, message: { kind: 'appendRefusal', term: reply.term, ...behind } })
  return { state, happen }
}

test('an answer that comes twice leaves one chunk on its way', () => {
  const { state, happen } = leading()
  const to = 'n3' as ReplicaId
  const header = { index: 2 as LogIndex, term: 1 as Term, membership }
  const asked = happen({ kind: 'compacted', to, prevIndex: 0 as LogIndex })
  expect(asked).toContainEqual({ kind: 'readSnapshot', to, header: undefined, after: '' })
  const values: SpaceValues = [['a', Buffer.from('1')]]
  happen({ kind: 'snapshotRead', to, header, after: '', values, done: false })
  const message: Message = {
    kind: 'snapshotReply',
    term: state.hardState.term,
    index: 2 as LogIndex,
    snapshotTerm: 1 as Term,
    position: 'a',
    checksum: 1,
  }
  expect(kinds(happen({ kind: 'received', from: to, message }))).toEqual(['readSnapshot'])
  expect(kinds(happen({ kind: 'received', from: to, message }))).toEqual([])
})

test('a follower that says nothing holds no snapshot open, and no longer than the leader leads', () => {
  const { state, happen } = leading()
  const to = 'n3' as ReplicaId
  expect(kinds(happen({ kind: 'compacted', to, prevIndex: 0 as LogIndex }))).toContain('readSnapshot')
  const released: string[] = []
  const heard: Event = {
    kind: 'received',
    from: leader,
    message: {
      kind: 'heartbeatReply',
      term: state.hardState.term,
      round: 1,
      sentIndex: 0 as LogIndex,
      receivedIndex: 0 as LogIndex,
      matchIndex: 0 as LogIndex,
    },
  }
  for (let elapsedMs = 0; elapsedMs < defaultSettings.snapshotPatienceMs; elapsedMs += 400) {
    const effects = step(state, [{ kind: 'tick', elapsedMs: 400, chance: 0 }, heard])
    released.push(...kinds(effects).filter((kind) => kind === 'releaseSnapshot'))
  }
  expect(released).toEqual(['releaseSnapshot'])
  // Asked again, it is found silent: nothing is opened.
  const again = happen({ kind: 'compacted', to, prevIndex: 0 as LogIndex })
  expect(kinds(again)).not.toContain('readSnapshot')
  const gone = happen({
    kind: 'received',
    from: leader,
    message: { kind: 'voteReply', term: 9 as Term, granted: false },
  })
  expect(kinds(gone)).toContain('releaseSnapshot')
})

test('chunks and answers are read as they were written, and only if they can have been meant', () => {
  const header = { index: 70_000 as LogIndex, term: 3 as Term, membership: { ...membership, index: 9 as LogIndex } }
  const values: SpaceValues = [
    ['b', new Uint8Array([0, 1, 255])],
    ['c/1', new Uint8Array()],
  ]
  const message = chunk(1, 1, { header, after: 'a', values, checksum: 0xffff_ffff, done: false })
  expect(decodeMessage(encodeMessage(message))).toEqual(message)
  const reply: Message = {
    kind: 'snapshotReply',
    term,
    index: 70_000 as LogIndex,
    snapshotTerm: 3 as Term,
    position: 'a/b',
    checksum: 0xffff_ffff,
  }
  expect(decodeMessage(encodeMessage(reply))).toEqual(reply)
  const wrong: readonly Partial<SnapshotChunk>[] = [
    { after: 'b' },
    { values: values.toReversed() },
    { header: { ...header, term: 5 as Term } },
    { header: { ...header, membership: { ...membership, index: 70_001 as LogIndex } } },
    { after: '\u0007' },
  ]
  for (const part of wrong) {
    expect(() => decodeMessage(encodeMessage({ ...message, ...part }))).toThrow(/cannot be used/)
  }
})
