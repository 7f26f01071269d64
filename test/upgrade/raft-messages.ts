import { encodeMembership } from '../../packages/raft/src/membership.ts'
import type { LogIndex, Message, ReplicaId, Term } from '../../packages/raft/src/message.ts'
import { checksumAfter } from '../../packages/raft/src/snapshot-values.ts'

const term = 7 as Term
const [four, nine] = [4 as LogIndex, 9 as LogIndex]
const membership = { voters: ['n1', 'n2', 'n3'] as ReplicaId[], learners: ['n4'] as ReplicaId[] }
const values = [
  ['group/epoch', Uint8Array.of(2)],
  ['record/a', Uint8Array.of(0x81, 0xa1, 0x61, 1)],
] as const

/** A message of each kind; the compiler sees that none is missing. */
export const raftMessages: { readonly [K in Message['kind']]: Extract<Message, { kind: K }> } = {
  requestPreVote: { kind: 'requestPreVote', term, lastIndex: nine, lastTerm: term },
  preVoteReply: { kind: 'preVoteReply', term, granted: true },
  requestVote: { kind: 'requestVote', term, lastIndex: nine, lastTerm: term, isTransfer: true },
  voteReply: { kind: 'voteReply', term, granted: false },
  append: {
    kind: 'append',
    term,
    prevIndex: four,
    prevTerm: 3 as Term,
    entries: [
      { term: 3 as Term, index: 5 as LogIndex, kind: 'command', command: Uint8Array.of(1, 2, 3) },
      { term, index: 6 as LogIndex, kind: 'noop', command: new Uint8Array() },
      { term, index: 7 as LogIndex, kind: 'members', command: encodeMembership(membership) },
    ],
    commitIndex: four,
  },
  appendReply: { kind: 'appendReply', term, receivedIndex: nine, matchIndex: four },
  appendRefusal: { kind: 'appendRefusal', term, prevIndex: nine, hintIndex: four, hintTerm: 3 as Term },
  heartbeat: { kind: 'heartbeat', term, commitIndex: four, round: 300, sentIndex: nine, matchIndex: four },
  heartbeatReply: { kind: 'heartbeatReply', term, round: 300, sentIndex: nine, receivedIndex: nine, matchIndex: four },
  timeoutNow: { kind: 'timeoutNow', term },
  snapshotChunk: {
    kind: 'snapshotChunk',
    term,
    header: { index: nine, term, membership: { index: four, ...membership } },
    after: '',
    values,
    checksum: checksumAfter(0, values),
    done: true,
  },
  snapshotReply: {
    kind: 'snapshotReply',
    term,
    index: nine,
    snapshotTerm: term,
    position: 'record/a',
    checksum: checksumAfter(0, values),
  },
}
