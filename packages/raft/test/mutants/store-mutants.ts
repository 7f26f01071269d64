import { type Mutant, test } from '../../../../test/mutants/mutant.ts'
import { histories } from './histories.ts'

/** What is on disk, and what comes back from it. */
export const storeMutants: readonly Mutant[] = [
  {
    fault: `values of an earlier snapshot are taken for the new one's`,
    file: 'raft/medium-store.ts',
    code: 'generation: this.leftovers.newGeneration() }',
    replacement: 'generation: this.base.generation + 1 }',
    caughtBy: [
      test(
        'raft/lmdb-store',
        'a snapshot that is begun anew has nothing of the one before, nor of one that was installed',
      ),
    ],
  },
  {
    fault: 'an installed snapshot leaves the log behind it',
    file: 'raft/medium-store.ts',
    code: 'this.removeBlocks(writer, plus(index, 1), lastIndex)',
    replacement: '',
    caughtBy: [
      test(
        'raft/lmdb-store',
        'an installed snapshot is the space, the base and the membership; the log that it replaces is gone',
      ),
    ],
  },
  {
    fault: 'a snapshot forgets the membership, on disk',
    file: 'raft/medium-store.ts',
    code: 'const state: StoredState = { hardState, appliedIndex: index, membership }',
    replacement: 'const state: StoredState = { hardState, appliedIndex: index, membership: this.state.membership }',
    caughtBy: [
      test(
        'raft/simulated-store',
        'an installed snapshot is the space, the base and the membership; the log that it replaces is gone',
      ),
    ],
  },
  {
    fault: 'entries are compacted that are not applied on disk',
    file: 'raft/medium-store.ts',
    code: 'invariant(index <= state.appliedIndex,',
    replacement: 'invariant(index >= 0,',
    caughtBy: [
      test(
        'raft/simulated-store',
        'entries that are not applied on disk are never compacted, nor more at a time than one write may remove',
      ),
    ],
  },
  {
    fault: 'an installed snapshot leaves the old space',
    file: 'raft/medium-store.ts',
    code: 'const nextBase: StoredBase = { index, term, generation: staged.generation }',
    replacement: 'const nextBase: StoredBase = { index, term, generation: base.generation }',
    caughtBy: [
      test(
        'raft/simulated-store',
        'staged values are no part of the space, and staging goes on after a restart where it was',
      ),
      histories,
    ],
  },
  {
    fault: 'a snapshot older than the space is installed',
    file: 'raft/medium-store.ts',
    code: 'index > this.state.appliedIndex,\n      `snapshot',
    replacement: 'index >= 0,\n      `snapshot',
    caughtBy: [
      test('raft/simulated-store', 'a snapshot that is not staged, or older than the space, is not installed'),
    ],
  },
  {
    fault: 'another snapshot than the staged one is installed',
    file: 'raft/medium-store.ts',
    code: 'invariant(staged !== undefined && isSameSnapshot(staged.header, header),',
    replacement: 'invariant(staged !== undefined,',
    caughtBy: [
      test('raft/simulated-store', 'a snapshot that is not staged, or older than the space, is not installed'),
    ],
  },
  {
    fault: 'a chunk is staged behind a gap',
    file: 'raft/medium-store.ts',
    code: 'invariant(continues, `the chunk',
    replacement: 'invariant(continues || staged !== undefined, `the chunk',
    caughtBy: [test('raft/simulated-store', 'a chunk that does not continue what is staged is no chunk')],
  },
  {
    fault: 'a store goes on writing after a write that failed',
    file: 'raft/medium-store.ts',
    code: 'if (this.failure !== undefined) throw this.failure',
    replacement: '',
    caughtBy: [test('raft/lmdb-store', 'a store that has grown beyond its limit takes no more writes, and says so')],
  },
  {
    fault: 'starts are not counted',
    file: 'raft/medium-store.ts',
    code: 'this.starts = runs.starts + 1',
    replacement: 'this.starts = Math.max(runs.starts, 1)',
    caughtBy: [
      test(
        'raft/simulated-store',
        'starts are counted once there is a write, and the highest of others are remembered',
      ),
    ],
  },
  {
    fault: 'the count of starts never gets to the disk',
    file: 'raft/medium-store.ts',
    code: 'private isNumbered = false',
    replacement: 'private isNumbered = true',
    caughtBy: [
      test(
        'raft/simulated-store',
        'starts are counted once there is a write, and the highest of others are remembered',
      ),
    ],
  },
  {
    fault: 'the starts of others are forgotten',
    file: 'raft/medium-store.ts',
    code: 'if (peerStarts !== undefined) this.putRuns(writer, peerStarts)',
    replacement: '',
    caughtBy: [
      test(
        'raft/simulated-store',
        'starts are counted once there is a write, and the highest of others are remembered',
      ),
    ],
  },
  {
    fault: 'a log whose terms go back is opened',
    file: 'raft/medium-store.ts',
    code: 'if (entry.index !== index || entry.term < term) throw',
    replacement: 'if (entry.index !== index) throw',
    caughtBy: [test('raft/simulated-store', 'what is applied never goes back, and a log whose terms do is damaged')],
  },
  {
    fault: 'damage on disk is not noticed',
    file: 'raft/lmdb-medium.ts',
    code: 'const bytes = unseal(value, key)',
    replacement: 'const bytes = value.subarray(4)',
    caughtBy: [
      test('raft/lmdb-store', 'an entry that is not what was written is noticed, and the error says what to do'),
    ],
  },
  {
    fault: 'a snapshot is read while it changes',
    file: 'raft/lmdb-medium.ts',
    code: 'super(database, place, transaction)',
    replacement: 'super(database, place)',
    caughtBy: [
      test(
        'raft/lmdb-store',
        'a reader shows the space, and the index and term that it belongs to, as they were when it was opened',
      ),
    ],
  },
  {
    fault: 'a store grows without limit',
    file: 'raft/lmdb-medium.ts',
    code: 'if (bytes <= this.maxMapBytes) return',
    replacement: 'if (bytes >= 0) return',
    caughtBy: [test('raft/lmdb-store', 'a store that has grown beyond its limit takes no more writes, and says so')],
  },
  {
    fault: 'a restart throws away what was staged',
    file: 'raft/leftovers.ts',
    code: 'generation !== base.generation && generation !== staged?.generation',
    replacement: 'generation !== base.generation',
    caughtBy: [
      test(
        'raft/lmdb-store',
        'staged values are no part of the space, and staging goes on after a restart where it was',
      ),
    ],
  },
  {
    fault: `a restart takes the values of an earlier snapshot for the next one's`,
    file: 'raft/leftovers.ts',
    code: 'this.lastGeneration = Math.max(base.generation, staged?.generation ?? 0, ...found)',
    replacement: 'this.lastGeneration = base.generation',
    caughtBy: [test('raft/lmdb-store', 'a snapshot that is begun anew after a restart has nothing of the one before')],
  },
  {
    fault: 'a store of a later version is opened',
    file: 'raft/record.ts',
    code: '|| foundVersion > version) {',
    replacement: ') {',
    caughtBy: [
      test(
        'raft/lmdb-store',
        'a store of version 1 is opened as it is, and is of this version from the first write on',
      ),
    ],
  },
  {
    fault: 'whoever came back from an older copy is heard',
    file: 'raft/peer-starts.ts',
    code: 'if (own <= known) return own === known',
    replacement: 'if (own <= known) return true',
    caughtBy: [test('raft/outdated-store', 'whoever was heard with a later start is not heard with an earlier one')],
  },
  {
    fault: 'a store that was replaced by an older copy goes on',
    file: 'raft/peer-starts.ts',
    code: 'if (heard > this.own) throw outdated(this.place, this.own, from, heard)',
    replacement: '',
    caughtBy: [test('raft/outdated-store', 'a replica that others have heard with a later start stops')],
  },
  {
    fault: 'a restart forgets the vote',
    file: 'raft/record.ts',
    code: 'encode({ ...hardState, appliedIndex',
    replacement: 'encode({ term: hardState.term, appliedIndex',
    caughtBy: [test('raft/simulated-store', 'what was written is there when the store is opened again'), histories],
  },
  {
    fault: 'what a write under way forgets is still read',
    file: 'raft/medium-store.ts',
    code: `this.base = nextBase
    await`,
    replacement: 'await',
    caughtBy: [
      test(
        'raft/simulated-store',
        'what a write under way forgets is no part of the log any more, though the write may not have been told of yet',
      ),
      histories,
    ],
  },
  {
    fault: 'a log that is cut in the middle of a block loses the part of it that stays',
    file: 'raft/medium-store.ts',
    code: 'this.putBlocks(writer, head)',
    replacement: '',
    caughtBy: [
      test(
        'raft/log-blocks',
        'a log in blocks is the log that was written, however it was added to, cut off, overwritten and compacted',
      ),
      histories,
    ],
  },
  {
    fault: 'a log that is cut in the middle of a block keeps an entry too many',
    file: 'raft/log-blocks.ts',
    code: 'filter((entry) => entry.index < index)',
    replacement: 'filter((entry) => entry.index <= index)',
    caughtBy: [
      test(
        'raft/log-blocks',
        'a log in blocks is the log that was written, however it was added to, cut off, overwritten and compacted',
      ),
    ],
  },
  {
    fault: 'a block is looked for under its first entry',
    file: 'raft/log-blocks.ts',
    code: 'view.blocks(from, plus(to, maxBlockEntries - 1))',
    replacement: 'view.blocks(from, to)',
    caughtBy: [
      test(
        'raft/log-blocks',
        'a log in blocks is the log that was written, however it was added to, cut off, overwritten and compacted',
      ),
      histories,
    ],
  },
  {
    fault: 'the last chunk of a snapshot leaves behind what was applied: it would get into the space that comes',
    file: 'raft/persistence.ts',
    code: ' || chunk !== undefined\n  if (takesApplied)',
    replacement: '\n  if (takesApplied)',
    caughtBy: [histories],
  },
  {
    fault: 'what was applied counts as written with a write that has nothing of it',
    file: 'raft/persistence.ts',
    code: '  if (takesApplied) {\n    state.appliedHandedIndex',
    replacement: '  if (waiting > 0) {\n    state.appliedHandedIndex',
    caughtBy: [
      test('raft/core', 'is left for a later write while it is little, and taken along by the next once it is not'),
    ],
  },
  {
    fault: 'a small write is without term and vote, though they changed',
    file: 'raft/medium-store.ts',
    code: '    one.hardState.term === other.hardState.term &&\n    one.hardState.votedFor === other.hardState.votedFor\n',
    replacement: '    true\n',
    caughtBy: [histories],
  },
  {
    fault: 'a disk that stalls keeps the thread again and again',
    file: 'raft/disk-pace.ts',
    code: ' && nowMs >= this.distrustedUntilMs',
    replacement: '',
    caughtBy: [
      test('raft/disk-pace', 'after a stall the thread does not wait for a minute, however quick the disk is again'),
    ],
  },
  {
    fault: 'a leader keeps the thread while others wait for what it sends',
    file: 'raft/running-replica.ts',
    code: "this.hasSent || this.state.role.kind === 'leader'",
    replacement: 'this.hasSent',
    caughtBy: [
      test(
        'raft/in-place',
        'a follower writes a few entries in place, and many elsewhere; a leader writes nothing in place',
      ),
    ],
  },
  {
    fault: 'an acknowledgement waits for the next write',
    file: 'raft/running-replica.ts',
    code: 'this.hasSent || this.state.role',
    replacement: 'this.state.role',
    caughtBy: [test('raft/in-place', 'nothing that was sent waits for a write in place')],
  },
]
