import { type Mutant, test } from '../../../../test/mutants/mutant.ts'
import { histories } from './histories.ts'

/** Snapshots, and the log that is forgotten behind them. */
export const snapshotMutants: readonly Mutant[] = [
  {
    fault: 'the log that follows a snapshot under way is compacted',
    file: 'raft/compaction.ts',
    code: 'Math.min(wanted, permitted, ',
    replacement: 'Math.min(wanted, ',
    caughtBy: [
      test('raft/compaction', 'what follows a snapshot that is being sent stays, and goes when it has arrived'),
    ],
  },
  {
    fault: 'the log that follows a snapshot is compacted once that has arrived',
    file: 'raft/replica-disk.ts',
    code: '{ snapshotIndex: this.snapshots.oldestIndex, neededIndex }',
    replacement: '{ snapshotIndex: this.snapshots.oldestIndex }',
    caughtBy: [
      test(
        'raft/catch-up',
        'a follower that comes in under load needs one snapshot, though more is written meanwhile than stays of the log',
      ),
    ],
  },
  {
    fault: 'the log is kept for a follower that stays as far behind as it is',
    file: 'raft/catch-up.ts',
    code: 'behind < catchUp.behind * (1 - leastGain)',
    replacement: 'behind <= catchUp.behind',
    caughtBy: [test('raft/catch-up', 'a follower that has arrived is waited for no longer')],
  },
  {
    fault: 'an entry in all that time counts as coming nearer',
    file: 'raft/catch-up.ts',
    code: 'behind < catchUp.behind * (1 - leastGain)',
    replacement: 'behind < catchUp.behind',
    caughtBy: [test('raft/catch-up', 'a sixteenth in all that time, and no more, is not enough')],
  },
  {
    fault: 'a follower that makes up for what it fell back counts as coming nearer',
    file: 'raft/catch-up.ts',
    code: '} else if (catchUp.sinceNearerMs',
    replacement: '} else if (behind > catchUp.behind) { catchUp.behind = behind } else if (catchUp.sinceNearerMs',
    caughtBy: [test('raft/catch-up', 'a follower that falls back and makes up for it has come no nearer')],
  },
  {
    fault: 'the log is kept for the follower that is furthest on',
    file: 'raft/catch-up.ts',
    code: 'matchIndex < needed',
    replacement: 'matchIndex > needed',
    caughtBy: [test('raft/catch-up', 'of two that catch up the one that is further behind counts')],
  },
  {
    fault: 'the log is kept for a follower that gets another snapshot',
    file: 'raft/snapshot-supply.ts',
    code: 'progress.catchUp = undefined',
    replacement: '',
    caughtBy: [
      test(
        'raft/catch-up',
        'a follower that needs a snapshot after all is served from that, and needs nothing of the log',
      ),
    ],
  },
  {
    fault: 'the log grows without bound for a follower',
    file: 'raft/compaction.ts',
    code: 'Math.max(neededIndex, sizes.indexBehind(maxNeededBytes))',
    replacement: 'neededIndex',
    caughtBy: [test('raft/compaction', 'the log does not grow without bound for a follower that catches up')],
  },
  {
    fault: 'a snapshot under way counts for no more than a follower that catches up',
    file: 'raft/compaction.ts',
    code: 'Math.min(snapshotIndex, Math.max(neededIndex, sizes.indexBehind(maxNeededBytes)))',
    replacement: 'Math.max(Math.min(snapshotIndex, neededIndex), sizes.indexBehind(maxNeededBytes))',
    caughtBy: [
      test('raft/compaction', 'what follows a snapshot stays however large it is: else that would arrive in vain'),
    ],
  },
  {
    fault: 'one write forgets any number of entries',
    file: 'raft/compaction.ts',
    code: ', plus(base.index, maxCompactedPerWrite))',
    replacement: ')',
    caughtBy: [test('raft/compaction', 'one write forgets a bounded part of a long log')],
  },
  {
    fault: 'a snapshot takes away entries that follow it',
    file: 'raft/snapshot.ts',
    code: 'return index <= commitIndex || termAt(log, index) === term',
    replacement: 'return index <= commitIndex',
    caughtBy: [test('raft/snapshot', 'a snapshot of what the log holds takes nothing away, and says that it is there')],
  },
  {
    fault: 'a snapshot older than what is committed is taken',
    file: 'raft/snapshot.ts',
    code: 'return index <= commitIndex || termAt(log, index) === term',
    replacement: 'return termAt(log, index) === term',
    caughtBy: [test('raft/snapshot', 'a snapshot older than what is committed is answered, and changes nothing')],
  },
  {
    fault: 'a chunk with a wrong checksum is staged',
    file: 'raft/snapshot.ts',
    code: 'if (isNext && checksumAfter(state.staged?.checksum ?? 0, values) === checksum) {',
    replacement: 'if (isNext) {',
    caughtBy: [test('raft/snapshot', 'a chunk whose checksum is not that of all values so far is not staged')],
  },
  {
    fault: 'a chunk is staged wherever it belongs',
    file: 'raft/snapshot.ts',
    code: `const isNext = after === (state.staged?.position ?? '')`,
    replacement: 'const isNext = true',
    caughtBy: [test('raft/transcripts', 'snapshot-leader-changes.txt')],
  },
  {
    fault: 'two chunks are taken at a time',
    file: 'raft/snapshot.ts',
    code: 'if (state.incoming !== undefined) return // its own answer is still due',
    replacement: '',
    caughtBy: [test('raft/snapshot', 'one chunk is taken at a time, and answered when the disk has it')],
  },
  {
    fault: 'a snapshot forgets the membership, in memory',
    file: 'raft/snapshot.ts',
    code: 'membership.index > applied.index ? [applied, membership] : [applied]',
    replacement: '[applied]',
    caughtBy: [test('raft/transcripts', 'snapshot-carries-membership.txt')],
  },
  {
    fault: 'two snapshots are mixed',
    file: 'raft/snapshot.ts',
    code: 'if (state.staged !== undefined && !isSameSnapshot(state.staged.header, header)) state.staged = undefined',
    replacement: '',
    caughtBy: [test('raft/transcripts', 'snapshot-other-leader.txt'), histories],
  },
  {
    fault: 'an answer that comes twice doubles what follows',
    file: 'raft/snapshot-supply.ts',
    code: '|| position === outgoing.after) return',
    replacement: ') return',
    caughtBy: [test('raft/snapshot', 'an answer that comes twice leaves one chunk on its way')],
  },
  {
    fault: 'a snapshot is opened for whoever is silent',
    file: 'raft/snapshot-supply.ts',
    code: 'if (outgoing.header === undefined && progress.silentMs >= state.settings.electionTimeoutMinMs) return',
    replacement: '',
    caughtBy: [
      test('raft/snapshot', 'a follower that says nothing holds no snapshot open, and no longer than the leader leads'),
    ],
  },
  {
    fault: 'a snapshot counts as sent before it has arrived',
    file: 'raft/snapshot-supply.ts',
    code: 'if (index === undefined || progress.matchIndex < index) return',
    replacement: 'if (index === undefined) return',
    caughtBy: [test('raft/transcripts', 'snapshot-lost-chunk.txt')],
  },
  {
    fault: 'a snapshot is kept open for ever',
    file: 'raft/snapshot-supply.ts',
    code: 'if (outgoing.sinceProgressMs >= snapshotPatienceMs) {',
    replacement: 'if (outgoing.sinceProgressMs < 0) {',
    caughtBy: [
      test('raft/snapshot', 'a follower that says nothing holds no snapshot open, and no longer than the leader leads'),
    ],
  },
  {
    fault: 'a lost chunk is not sent again',
    file: 'raft/snapshot-supply.ts',
    code: 'else if (outgoing.isUnderWay && outgoing.sinceSentMs >= snapshotResendMs) outgoing.isUnderWay = false',
    replacement: '',
    caughtBy: [test('raft/transcripts', 'snapshot-lost-chunk.txt')],
  },
  {
    fault: 'a snapshot that goes on elsewhere goes on with another checksum',
    file: 'raft/snapshot-supply.ts',
    code: 'outgoing.checksum = checksum',
    replacement: '',
    caughtBy: [test('raft/transcripts', 'snapshot-empty-learner.txt')],
  },
  {
    fault: 'snapshots stay open when leadership is lost',
    file: 'raft/role.ts',
    code: 'releaseSnapshots(leader, effects)',
    replacement: '',
    caughtBy: [
      test('raft/snapshot', 'a follower that says nothing holds no snapshot open, and no longer than the leader leads'),
    ],
  },
  {
    fault: 'appends are sent to who gets a snapshot',
    file: 'raft/progress.ts',
    code: `if (progress.loading || progress.mode === 'snapshot') return false`,
    replacement: 'if (progress.loading) return false',
    caughtBy: [test('raft/transcripts', 'snapshot-carries-membership.txt')],
  },
  {
    fault: 'entries are applied while a snapshot takes the place of the space',
    file: 'raft/core.ts',
    code: 'if (commitIndex > appliedIndex && !isInstalling(state)) {',
    replacement: 'if (commitIndex > appliedIndex) {',
    caughtBy: [
      test('raft/snapshot', 'between the last chunk and the installation nothing is taken into the log or applied'),
    ],
  },
  {
    fault: 'a snapshot from the future is read',
    file: 'raft/snapshot-codec.ts',
    code: 'if (header.term > term) throw',
    replacement: 'if (header.term < 0) throw',
    caughtBy: [
      test('raft/snapshot', 'chunks and answers are read as they were written, and only if they can have been meant'),
    ],
  },
  {
    fault: 'a snapshot with a membership from behind it is read',
    file: 'raft/snapshot-codec.ts',
    code: 'if (membershipIndex > index) throw',
    replacement: 'if (membershipIndex < 0) throw',
    caughtBy: [
      test('raft/snapshot', 'chunks and answers are read as they were written, and only if they can have been meant'),
    ],
  },
  {
    fault: 'values out of order are read',
    file: 'raft/snapshot-values.ts',
    code: 'if (key <= last || !isSpaceKey(key)) throw',
    replacement: 'if (!isSpaceKey(key)) throw',
    caughtBy: [
      test('raft/snapshot', 'chunks and answers are read as they were written, and only if they can have been meant'),
    ],
  },
  {
    fault: 'a replica shows the space of a snapshot as one of before',
    file: 'raft/replica-disk.ts',
    code: 'this.appliedIndex = header.index',
    replacement: '',
    caughtBy: [
      test(
        'raft/snapshot-in-scene',
        'a follower that was away shows what the snapshot holds, as applied, from the moment that it is installed',
      ),
    ],
  },
  {
    fault: `a follower behind the log's beginning gets nothing`,
    file: 'raft/replica-disk.ts',
    code: `    if (prevTerm === undefined) {
      this.listener.happen({ kind: 'compacted', to, prevIndex })
      return
    }`,
    replacement: `    if (prevTerm === undefined) throw new Error('gone')`,
    caughtBy: [
      test(
        'raft/snapshot-on-lmdb',
        'a follower that is empty catches up by itself while the group carries load, and applies nothing twice',
      ),
    ],
  },
  {
    fault: 'a snapshot of a log without entries has a term of its own',
    file: 'raft/snapshot-reader.ts',
    code: 'if (index === base.index) return base.term',
    replacement: 'if (index === base.index) return 1 as Term',
    caughtBy: [test('raft/simulated-store', 'a log can be compacted to its very end, and goes on from there')],
  },
]
