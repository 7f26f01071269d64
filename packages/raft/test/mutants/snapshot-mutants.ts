import { histories, type Mutant, test } from './mutant.ts'

/** Snapshots, and the log that is forgotten behind them. */
export const snapshotMutants: readonly Mutant[] = [
  {
    fault: 'the log that follows a snapshot under way is compacted',
    file: 'compaction.ts',
    code: 'heldIndex ?? appliedIndex, ',
    replacement: '',
    caughtBy: [test('compaction', 'what follows a snapshot that is being sent stays, and goes when it has arrived')],
  },
  {
    fault: 'one write forgets any number of entries',
    file: 'compaction.ts',
    code: ', plus(base.index, maxCompactedPerWrite))',
    replacement: ')',
    caughtBy: [test('compaction', 'one write forgets a bounded part of a long log')],
  },
  {
    fault: 'a snapshot takes away entries that follow it',
    file: 'snapshot.ts',
    code: 'return index <= commitIndex || termAt(log, index) === term',
    replacement: 'return index <= commitIndex',
    caughtBy: [test('snapshot', 'a snapshot of what the log holds takes nothing away, and says that it is there')],
  },
  {
    fault: 'a snapshot older than what is committed is taken',
    file: 'snapshot.ts',
    code: 'return index <= commitIndex || termAt(log, index) === term',
    replacement: 'return termAt(log, index) === term',
    caughtBy: [test('snapshot', 'a snapshot older than what is committed is answered, and changes nothing')],
  },
  {
    fault: 'a chunk with a wrong checksum is staged',
    file: 'snapshot.ts',
    code: 'if (isNext && checksumAfter(state.staged?.checksum ?? 0, values) === checksum) {',
    replacement: 'if (isNext) {',
    caughtBy: [test('snapshot', 'a chunk whose checksum is not that of all values so far is not staged')],
  },
  {
    fault: 'a chunk is staged wherever it belongs',
    file: 'snapshot.ts',
    code: `const isNext = after === (state.staged?.position ?? '')`,
    replacement: 'const isNext = true',
    caughtBy: [test('transcripts', 'snapshot-leader-changes.txt')],
  },
  {
    fault: 'two chunks are taken at a time',
    file: 'snapshot.ts',
    code: 'if (state.incoming !== undefined) return // its own answer is still due',
    replacement: '',
    caughtBy: [test('snapshot', 'one chunk is taken at a time, and answered when the disk has it')],
  },
  {
    fault: 'a snapshot forgets the membership, in memory',
    file: 'snapshot.ts',
    code: 'membership.index > applied.index ? [applied, membership] : [applied]',
    replacement: '[applied]',
    caughtBy: [test('transcripts', 'snapshot-carries-membership.txt')],
  },
  {
    fault: 'two snapshots are mixed',
    file: 'snapshot.ts',
    code: 'if (state.staged !== undefined && !isSameSnapshot(state.staged.header, header)) state.staged = undefined',
    replacement: '',
    caughtBy: [test('transcripts', 'snapshot-other-leader.txt'), histories],
  },
  {
    fault: 'an answer that comes twice doubles what follows',
    file: 'snapshot-supply.ts',
    code: '|| position === outgoing.after) return',
    replacement: ') return',
    caughtBy: [test('snapshot', 'an answer that comes twice leaves one chunk on its way')],
  },
  {
    fault: 'a snapshot is opened for whoever is silent',
    file: 'snapshot-supply.ts',
    code: 'if (outgoing.header === undefined && progress.silentMs >= state.settings.electionTimeoutMinMs) return',
    replacement: '',
    caughtBy: [
      test('snapshot', 'a follower that says nothing holds no snapshot open, and no longer than the leader leads'),
    ],
  },
  {
    fault: 'a snapshot counts as sent before it has arrived',
    file: 'snapshot-supply.ts',
    code: 'if (index === undefined || progress.matchIndex < index) return',
    replacement: 'if (index === undefined) return',
    caughtBy: [test('transcripts', 'snapshot-lost-chunk.txt')],
  },
  {
    fault: 'a snapshot is kept open for ever',
    file: 'snapshot-supply.ts',
    code: 'if (outgoing.sinceProgressMs >= snapshotPatienceMs) {',
    replacement: 'if (outgoing.sinceProgressMs < 0) {',
    caughtBy: [
      test('snapshot', 'a follower that says nothing holds no snapshot open, and no longer than the leader leads'),
    ],
  },
  {
    fault: 'a lost chunk is not sent again',
    file: 'snapshot-supply.ts',
    code: 'else if (outgoing.isUnderWay && outgoing.sinceSentMs >= snapshotResendMs) outgoing.isUnderWay = false',
    replacement: '',
    caughtBy: [test('transcripts', 'snapshot-lost-chunk.txt')],
  },
  {
    fault: 'a snapshot that goes on elsewhere goes on with another checksum',
    file: 'snapshot-supply.ts',
    code: 'outgoing.checksum = checksum',
    replacement: '',
    caughtBy: [test('transcripts', 'snapshot-empty-learner.txt')],
  },
  {
    fault: 'snapshots stay open when leadership is lost',
    file: 'role.ts',
    code: 'releaseSnapshots(leader, effects)',
    replacement: '',
    caughtBy: [
      test('snapshot', 'a follower that says nothing holds no snapshot open, and no longer than the leader leads'),
    ],
  },
  {
    fault: 'appends are sent to who gets a snapshot',
    file: 'progress.ts',
    code: `if (progress.loading || progress.mode === 'snapshot') return false`,
    replacement: 'if (progress.loading) return false',
    caughtBy: [test('transcripts', 'snapshot-carries-membership.txt')],
  },
  {
    fault: 'entries are applied while a snapshot takes the place of the space',
    file: 'core.ts',
    code: 'if (commitIndex > appliedIndex && !isInstalling(state)) {',
    replacement: 'if (commitIndex > appliedIndex) {',
    caughtBy: [
      test('snapshot', 'between the last chunk and the installation nothing is taken into the log or applied'),
    ],
  },
  {
    fault: 'a snapshot from the future is read',
    file: 'snapshot-codec.ts',
    code: 'if (header.term > term) throw',
    replacement: 'if (header.term < 0) throw',
    caughtBy: [
      test('snapshot', 'chunks and answers are read as they were written, and only if they can have been meant'),
    ],
  },
  {
    fault: 'a snapshot with a membership from behind it is read',
    file: 'snapshot-codec.ts',
    code: 'if (membershipIndex > index) throw',
    replacement: 'if (membershipIndex < 0) throw',
    caughtBy: [
      test('snapshot', 'chunks and answers are read as they were written, and only if they can have been meant'),
    ],
  },
  {
    fault: 'values out of order are read',
    file: 'snapshot-values.ts',
    code: 'if (key <= last || !isSpaceKey(key)) throw',
    replacement: 'if (!isSpaceKey(key)) throw',
    caughtBy: [
      test('snapshot', 'chunks and answers are read as they were written, and only if they can have been meant'),
    ],
  },
  {
    fault: 'a replica shows the space of a snapshot as one of before',
    file: 'replica-disk.ts',
    code: 'this.appliedIndex = header.index',
    replacement: '',
    caughtBy: [
      test(
        'snapshot-in-scene',
        'a follower that was away shows what the snapshot holds, as applied, from the moment that it is installed',
      ),
    ],
  },
  {
    fault: `a follower behind the log's beginning gets nothing`,
    file: 'replica-disk.ts',
    code: `    if (prevTerm === undefined) {
      this.listener.happen({ kind: 'compacted', to, prevIndex })
      return
    }`,
    replacement: `    if (prevTerm === undefined) throw new Error('gone')`,
    caughtBy: [
      test(
        'snapshot-on-lmdb',
        'a follower that is empty catches up by itself while the group carries load, and applies nothing twice',
      ),
    ],
  },
  {
    fault: 'a snapshot of a log without entries has a term of its own',
    file: 'snapshot-reader.ts',
    code: 'if (index === base.index) return base.term',
    replacement: 'if (index === base.index) return 1 as Term',
    caughtBy: [test('simulated-store', 'a log can be compacted to its very end, and goes on from there')],
  },
]
