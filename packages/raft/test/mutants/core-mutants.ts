import { type Mutant, test } from '../../../../test/mutants/mutant.ts'
import { histories } from './histories.ts'

/** Elections, replication, commitment and reads. */
export const coreMutants: readonly Mutant[] = [
  {
    fault: 'a truncated change still counts',
    file: 'raft/follower.ts',
    code: 'rollBack(state, entry.index)',
    replacement: '',
    caughtBy: [test('raft/transcripts', 'membership-rolled-back.txt')],
  },
  {
    fault: 'followers take no notice of changes in their log',
    file: 'raft/follower.ts',
    code: `if (entry.kind === 'members') adopt(state, entry)`,
    replacement: '',
    caughtBy: [test('raft/transcripts', 'leader-removed.txt'), histories],
  },
  {
    fault: 'a restart forgets the changes in the log',
    file: 'raft/state.ts',
    code: `setMemberships(state, [membership, ...entries.filter(({ kind }) => kind === 'members').map(placedMembership)])`,
    replacement: 'setMemberships(state, [membership])',
    caughtBy: [test('raft/core', 'what the log says of the members counts again after a restart, applied or not')],
  },
  {
    fault: 'no check of the quorum',
    file: 'raft/election.ts',
    code: 'const silentMs = -reachedByVoters(state, state.role, 0, (progress) => -progress.silentMs)',
    replacement: 'const silentMs = 0',
    caughtBy: [test('raft/core', 'a leader whom only learners answer leads no longer')],
  },
  {
    fault: 'no stickiness: whoever is in a later term deposes a leader',
    file: 'raft/core.ts',
    code: `if (message.kind === 'requestVote' && !message.isTransfer && hearsLeader(state)) return`,
    replacement: `if (message.kind === 'requestVote' && message.term < 0 && hearsLeader(state)) return`,
    caughtBy: [test('raft/core', 'a follower does not take on the term of who asks for its vote, nor answers')],
  },
  {
    fault: 'a store that forgot what it promised counts on',
    file: 'raft/follower.ts',
    code: 'if (heartbeat.matchIndex > state.log.durableIndex) throw outdated(state, from, heartbeat.matchIndex)',
    replacement: '',
    caughtBy: [test('raft/transcripts', 'outdated-store.txt')],
  },
  {
    fault: 'proposals of one turn are not bounded',
    file: 'raft/running-replica.ts',
    code: `if (this.proposals.size >= this.state.settings.maxUncommittedEntries) return this.refuse('maxUncommittedEntries')`,
    replacement: '',
    caughtBy: [test('raft/administration', 'a proposal beyond the bound is refused before it is put anywhere')],
  },
  {
    fault: 'no bound on appends on their way',
    file: 'raft/progress.ts',
    code: `progress.inFlight.length < (progress.mode === 'probe' ? 1 : maxInFlight)`,
    replacement: 'progress.inFlight.length < 1000',
    caughtBy: [test('raft/transcripts', 'crash-before-flush.txt')],
  },
  {
    fault: 'a pre-vote against a leader that is heard',
    file: 'raft/election.ts',
    code: '!hearsLeader(state) &&',
    replacement: '',
    caughtBy: [test('raft/transcripts', 'early-election.txt')],
  },
  {
    fault: 'a pre-vote for a log that lacks something',
    file: 'raft/election.ts',
    code: `isUpToDate(state.log, request.lastIndex, request.lastTerm) &&
    !isOutranked`,
    replacement: '!isOutranked',
    caughtBy: [test('raft/transcripts', 'cut-off-write.txt')],
  },
  {
    fault: 'a vote for a log that lacks something',
    file: 'raft/election.ts',
    code: '(votedFor === undefined || votedFor === from) && isUpToDate(state.log, request.lastIndex, request.lastTerm)',
    replacement: '(votedFor === undefined || votedFor === from)',
    caughtBy: [test('raft/transcripts', 'cut-off-write.txt')],
  },
  {
    fault: 'two votes in one term',
    file: 'raft/election.ts',
    code: '(votedFor === undefined || votedFor === from) && isUp',
    replacement: 'isUp',
    caughtBy: [
      test('raft/core', 'a learner answers all the same when it is asked for its vote: its own membership may be old'),
      histories,
    ],
  },
  {
    fault: 'commitment of earlier terms by counting (figure 8)',
    file: 'raft/replication.ts',
    code: '|| termAt(log, reached) !== role.term) return',
    replacement: '|| termAt(log, reached) === undefined) return',
    caughtBy: [test('raft/transcripts', 'figure-8.txt'), histories],
  },
  {
    fault: 'a read without a round of heartbeats',
    file: 'raft/read-index.ts',
    code: 'asked !== undefined && asked.round <= round &&',
    replacement: 'asked !== undefined &&',
    caughtBy: [test('raft/transcripts', 'read-index.txt'), histories],
  },
  {
    fault: 'a read before an entry of the own term is committed',
    file: 'raft/read-index.ts',
    code: `  if (role.kind !== 'leader' || state.commitIndex < role.noopIndex) return
  const fresh`,
    replacement: `  if (role.kind !== 'leader') return
  const fresh`,
    caughtBy: [test('raft/transcripts', 'read-index.txt'), histories],
  },
  {
    fault: 'acknowledgement before the flush',
    file: 'raft/contact.ts',
    code: 'return Math.min(role.receivedIndex, state.log.durableIndex) as LogIndex',
    replacement: 'return role.receivedIndex',
    caughtBy: [test('raft/transcripts', 'crash-before-flush.txt'), histories],
  },
  {
    fault: 'a vote is told before it is on disk',
    file: 'raft/state.ts',
    code: 'if (isHardStateDurable(state)) effects.push',
    replacement: 'if (to !== state.id) effects.push',
    caughtBy: [test('raft/transcripts', 'crash-before-flush.txt'), histories],
  },
  {
    fault: 'truncation leaves the entry that differs',
    file: 'raft/log.ts',
    code: 'log.entries.splice(index - log.baseIndex - 1)',
    replacement: 'log.entries.splice(index - log.baseIndex)',
    caughtBy: [
      test(
        'raft/log',
        'truncation removes the entry itself and all that follow, nothing before, and forgets that they were on disk',
      ),
      histories,
    ],
  },
  {
    fault: 'no pre-vote',
    file: 'raft/election.ts',
    code: 'startPreVote(state, chance, effects)',
    replacement: 'startElection(state, false, effects)',
    caughtBy: [test('raft/transcripts', 'pre-vote.txt')],
  },
  {
    fault: 'a follower commits what the leader has, not what it has received of it',
    file: 'raft/follower.ts',
    code: 'Math.min(heartbeat.commitIndex, role.receivedIndex)',
    replacement: 'Math.min(heartbeat.commitIndex, lastIndexOf(state.log))',
    caughtBy: [test('raft/transcripts', 'restarted-follower.txt'), histories],
  },
  {
    fault: 'a probe that was lost holds up what follows',
    file: 'raft/progress.ts',
    code: 'progress.inFlight = progress.inFlight.filter((lastIndex) => lastIndex <= receivedIndex)',
    replacement: '',
    caughtBy: [
      test('raft/progress', 'a probe that was lost holds up nothing when a heartbeat shows that it would have fitted'),
      histories,
    ],
  },
  {
    fault: 'the flush of entries that were cut off counts for those that took their place',
    file: 'raft/follower.ts',
    code: 'state.write.lastIndex = plus(entry.index, -1)',
    replacement: '{}',
    caughtBy: [test('raft/transcripts', 'cut-off-write.txt'), histories],
  },
  {
    fault: 'an old append cuts off newer entries',
    file: 'raft/follower.ts',
    code: 'if (termAt(log, entry.index) === entry.term) continue',
    replacement: '',
    caughtBy: [histories],
  },
  {
    fault: 'an append is taken wherever it begins',
    file: 'raft/follower.ts',
    code: 'termAt(state.log, append.prevIndex) !== append.prevTerm',
    replacement: 'append.prevIndex > lastIndexOf(state.log)',
    caughtBy: [test('raft/transcripts', 'figure-7.txt'), histories],
  },
  {
    fault: 'the leader counts its own disk before the flush',
    file: 'raft/replication.ts',
    code: 'reachedByVoters(state, role, log.durableIndex,',
    replacement: 'reachedByVoters(state, role, lastIndexOf(log),',
    caughtBy: [test('raft/transcripts', 'leader-counts-itself-last.txt'), histories],
  },
  {
    fault: 'entries are taken into a log that a snapshot is about to replace',
    file: 'raft/follower.ts',
    code: 'if (role === undefined || isInstalling(state)) return',
    replacement: 'if (role === undefined) return',
    caughtBy: [
      test('raft/snapshot', 'between the last chunk and the installation nothing is taken into the log or applied'),
    ],
  },
  {
    fault: 'a chunk that lands in a later term is forgotten',
    file: 'raft/persistence.ts',
    code: `  snapshotPersisted(state, effects)
  if (!isHardStateDurable(state)) return`,
    replacement: `  if (!isHardStateDurable(state)) return
  snapshotPersisted(state, effects)`,
    caughtBy: [
      test('raft/snapshot', 'a chunk that lands when another term has begun meanwhile is staged all the same'),
    ],
  },
]
