import fc from 'fast-check'
import { encodeMembership, type Membership } from '../src/membership.ts'
import type { Entry, LogIndex, Message, ReplicaId, Term } from '../src/message.ts'
import type { RunningReplica } from '../src/running-replica.ts'
import { checksumAfter } from '../src/snapshot-values.ts'

type Victim = Pick<RunningReplica<string>, 'status' | 'state'>

/** Numbers that a forger takes from what the replica says of itself, or close by. */
interface Place {
  readonly of: 'start' | 'applied' | 'commit' | 'last'
  readonly off: number
}

const place: fc.Arbitrary<Place> = fc.record({
  of: fc.constantFrom('start', 'applied', 'commit', 'last'),
  off: fc.constantFrom(-2, -1, 0, 0, 1, 2, 9),
})

function indexAt({ of, off }: Place, replica: Victim): LogIndex {
  const { appliedIndex, commitIndex, lastIndex } = replica.status()
  const from = { start: 0, applied: appliedIndex, commit: commitIndex, last: lastIndex }[of]
  return Math.max(0, from + off) as LogIndex
}

/** Relative to the replica's own. */
const termOffset = fc.constantFrom(-1, 0, 0, 0, 1, 1, 2)

function termAt(offset: number, replica: Victim): Term {
  return Math.max(1, replica.status().term + offset) as Term
}

const [n1, n2, n3] = ['n1', 'n2', 'n3'] as [ReplicaId, ReplicaId, ReplicaId]
const memberships: readonly Membership[] = [
  { voters: [n1], learners: [] },
  { voters: [n1, n2, n3], learners: [] },
  { voters: [n2, n3], learners: [n1] },
  { voters: [n2, n3], learners: [] },
]

const entryShape = fc.record({
  rise: fc.constantFrom(0, 0, 1),
  kind: fc.constantFrom<Entry['kind']>('noop', 'command', 'command', 'members'),
  membership: fc.constantFrom(...memberships),
})

const append = fc
  .record({
    offset: termOffset,
    prev: place,
    prevTermBelow: fc.nat(3),
    commit: place,
    shapes: fc.array(entryShape, { maxLength: 5 }),
  })
  .map(({ offset, prev, prevTermBelow, commit, shapes }) => (replica: Victim): Message => {
    const term = termAt(offset, replica)
    const prevIndex = indexAt(prev, replica)
    let entryTerm = prevIndex === 0 ? 0 : Math.max(1, term - prevTermBelow)
    const prevTerm = entryTerm as Term
    const entries = shapes.map(({ rise, kind, membership }, at): Entry => {
      entryTerm = Math.min(term, Math.max(1, entryTerm + rise))
      const command = kind === 'members' ? encodeMembership(membership) : Buffer.from(kind === 'noop' ? '' : `${at}`)
      return { term: entryTerm as Term, index: (prevIndex + at + 1) as LogIndex, kind, command }
    })
    return { kind: 'append', term, prevIndex, prevTerm, entries, commitIndex: indexAt(commit, replica) }
  })

const chunk = fc
  .record({
    offset: termOffset,
    at: place,
    below: fc.nat(2),
    membership: fc.constantFrom(...memberships),
    after: fc.constantFrom('', '', 'a', 'b'),
    keys: fc.uniqueArray(fc.constantFrom('c', 'd', 'e')),
    isRight: fc.boolean(),
    done: fc.boolean(),
  })
  .map(({ offset, at, below, membership, after, keys, isRight, done }) => (replica: Victim): Message => {
    const term = termAt(offset, replica)
    const index = Math.max(1, indexAt(at, replica)) as LogIndex
    const header = {
      index,
      term: Math.max(1, term - below) as Term,
      membership: { index: Math.max(0, index - 1) as LogIndex, ...membership },
    }
    const values = keys.toSorted().map((key) => [key, Buffer.from(key)] as const)
    const checksum = isRight ? checksumAfter(replica.state.staged?.checksum ?? 0, values) : 7
    const position = isRight ? (replica.state.staged?.position ?? '') : after
    const fitting = values.filter(([key]) => key > position)
    return { kind: 'snapshotChunk', term, header, after: position, values: fitting, checksum, done }
  })

const other = fc
  .record({
    kind: fc.constantFrom(
      'requestPreVote',
      'preVoteReply',
      'requestVote',
      'voteReply',
      'appendReply',
      'appendRefusal',
      'heartbeat',
      'heartbeatReply',
      'timeoutNow',
      'snapshotReply',
    ),
    offset: termOffset,
    one: place,
    two: place,
    three: place,
    round: fc.nat(4),
    isSo: fc.boolean(),
  })
  .map(({ kind, offset, one, two, three, round, isSo }) => (replica: Victim): Message => {
    const term = termAt(offset, replica)
    const [low, high] = [indexAt(one, replica), indexAt(two, replica)].toSorted((a, b) => a - b) as [LogIndex, LogIndex]
    const third = indexAt(three, replica)
    switch (kind) {
      case 'requestPreVote':
        return { kind, term, lastIndex: high, lastTerm: term }
      case 'requestVote':
        return { kind, term, lastIndex: high, lastTerm: term, isTransfer: isSo }
      case 'preVoteReply':
      case 'voteReply':
        return { kind, term, granted: isSo }
      case 'appendReply':
        return { kind, term, receivedIndex: high, matchIndex: low }
      case 'appendRefusal':
        return { kind, term, prevIndex: (high + 1) as LogIndex, hintIndex: low, hintTerm: term }
      case 'heartbeat':
        // What it says that this replica has told is true: a lie about that is what a store from a backup looks like.
        return { kind, term, commitIndex: high, round, sentIndex: third, matchIndex: 0 as LogIndex }
      case 'heartbeatReply':
        return { kind, term, round, sentIndex: third, receivedIndex: high, matchIndex: low }
      case 'timeoutNow':
        return { kind, term }
      case 'snapshotReply':
        return { kind, term, index: high, snapshotTerm: term, position: isSo ? 'c' : '', checksum: round }
    }
  })

/** Messages that could be meant for a replica as it is just now, whoever sends them. */
export const forgery: fc.Arbitrary<(replica: Victim) => Message> = fc.oneof(append, append, chunk, other, other, other)
