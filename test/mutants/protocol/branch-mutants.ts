import { attack, conformance, test } from '../mutant.ts'
import type { ProtocolMutant } from './rule.ts'

/** Lists, openings, votes and locks (rules R4, R5, R7). */
export const branchMutants: readonly ProtocolMutant[] = [
  {
    rule: 'R4',
    fault: 'a vote for one list counts for another',
    file: 'coordinator/commit.ts',
    code: 'if (commit.sealed?.digest !== digest) return []\n  const branch',
    replacement: 'if (commit.sealed === undefined) return []\n  const branch',
    caughtBy: [test('coordinator/commit', 'a vote with another digest is nothing, be it good or bad')],
  },
  {
    rule: 'R4',
    fault: 'who asked with another list is told the outcome as its own',
    file: 'coordinator/waiter.ts',
    code: `if (!speaksOf(record, digest)) return { kind: 'conflict', recorded: record.digest, outcome }`,
    replacement: '',
    caughtBy: [test('coordinator/commits', 'another list waits, and is answered conflict once there is a record (R4)')],
  },
  {
    rule: 'R4',
    fault: 'who is prepared under one list votes for another',
    file: 'participant/ballot.ts',
    code: 'return prepared.digest === digest ? prepared.ballot : refusedBallot(otherList)',
    replacement: 'return prepared.ballot',
    caughtBy: [test('participant/votes', 'under another list is a conflict, and its promise stands')],
  },
  {
    rule: 'R4',
    fault: 'what the resource shows prepared under one list is voted for another',
    file: 'participant/ballot.ts',
    code: 'if (row.digest !== digest) return refusedBallot(otherList)',
    replacement: '',
    caughtBy: [test('participant/votes', 'finds it prepared under another list: a conflict')],
  },
  {
    rule: 'R4',
    fault: 'the digest binds no number of calls',
    file: 'protocol/list.ts',
    code: '{branch.calls}`',
    replacement: '{branch.kind}`',
    caughtBy: [test('protocol/words', 'the digest changes with each field of each branch, and with the id')],
  },
  {
    rule: 'R4',
    fault: 'a list is as its branches were opened, not sorted',
    file: 'protocol/list.ts',
    code: `const sorted = branches.toSorted((a, b) =>
    a.participant < b.participant ? -1 : a.participant > b.participant ? 1 : 0,
  )`,
    replacement: 'const sorted = [...branches]',
    caughtBy: [test('protocol/words', 'the order in which branches were opened does not matter')],
  },
  {
    rule: 'R5',
    fault: 'a vote of another opening counts',
    file: 'coordinator/commit.ts',
    code: `if (branch.listed.kind === 'called' && branch.listed.token !== vote.token) return []`,
    replacement: '',
    caughtBy: [attack('branches', 'R5: a vote of another opening than the listed one is not counted')],
  },
  {
    rule: 'R5',
    fault: 'another opening, opened by a doubled first call, is prepared',
    file: 'participant/branch-step.ts',
    code: `return listed.kind === 'called' && named && listed.token === token`,
    replacement: `return listed.kind === 'called' && (named || listed.token === token)`,
    caughtBy: [
      test(
        'participant/branch',
        'a list with another token is answered by what the resource has, and the branch stays',
      ),
    ],
  },
  {
    rule: 'R5',
    fault: 'a branch that executed more calls than the list names is prepared',
    file: 'participant/branch-prepare.ts',
    code: 'listed.calls !== branch.started || listed.calls !== branch.calls.length',
    replacement: 'listed.calls > branch.started',
    caughtBy: [test('participant/branch', 'a list with 1 calls refuses a branch that executed 2, and it is gone')],
  },
  {
    rule: 'R5',
    fault: 'calls run in the order in which they arrive',
    file: 'participant/branch-call.ts',
    code: 'if (call.n !== branch.calls.length + 1 || !isOpen(branch)) {',
    replacement: 'if (!isOpen(branch)) {',
    caughtBy: [test('participant/branch', 'a gap is refused, and what was missing may still come')],
  },
  {
    rule: 'R5',
    fault: 'a doubled first call is executed again',
    file: 'participant/branch-state.ts',
    code: `return branch.stage === 'over' && branch.nonce !== nonce`,
    replacement: `return branch.stage === 'over' || branch.nonce === nonce`,
    caughtBy: [test('participant/calls', 'doubled, runs once and is answered each time')],
  },
  {
    rule: 'R5',
    fault: 'a call that failed leaves its branch as it is',
    file: 'participant/branch-call.ts',
    code: `if (result.kind === 'refused') return fail(branch, result.reason)`,
    replacement: `if (result.kind === 'refused') return [...takeAskers(call).map((asker): BranchEffect => ({ kind: 'answer', asker, n, result })), ...proceed(branch, nowMs)]`,
    caughtBy: [
      test(
        'participant/branch',
        'one that fails poisons the branch: rolled back at once, and whoever waits is told why',
      ),
    ],
  },
  {
    rule: 'R5',
    fault: 'a transaction goes on after a call that failed',
    file: 'client/branches.ts',
    code: 'if (!branches.sealed) branches.poison ??= reason',
    replacement: '',
    caughtBy: [test('client/transaction', 'stays poisoned though its function catches the refusal')],
  },
  {
    rule: 'R5',
    fault: 'an instance that the list does not name refuses what it does not know',
    file: 'participant/branch-prepare.ts',
    code: `const refuses = listed.kind === 'called' && named`,
    replacement: `const refuses = listed.kind === 'called'`,
    caughtBy: [test('participant/votes', 'finds nothing and says busy, never refused')],
  },
  {
    rule: 'R5',
    fault: 'a branch is given up because another instance does not know it',
    file: 'coordinator/commit.ts',
    code: `return branch.namedGone
        ? [propose`,
    replacement: `return branch.sent > 0
        ? [propose`,
    caughtBy: [
      test(
        'coordinator/commit',
        'not before the named instance was seen to be gone: it is asked at once, and that changes no pause',
      ),
    ],
  },
  {
    rule: 'R5',
    fault: 'a resent one-shot that waited for its own first copy is a refusal',
    file: 'coordinator/commit.ts',
    code: 'return lockTimeouts.length < sent',
    replacement: 'return false',
    caughtBy: [test('coordinator/commit', 'a copy that waited in vain for the locks of another copy is no refusal')],
  },
  {
    rule: 'R7',
    fault: 'a lock is waited for as long as the transaction may take',
    file: 'participant/patience.ts',
    code: 'Math.min(settings.lockTimeoutMs, leftMs / 2) * spread',
    replacement: 'leftMs * spread',
    caughtBy: [
      attack('databases', 'R7: a deadlock across participants ends by lock time-outs, long before the budgets'),
    ],
  },
  {
    rule: 'R7',
    fault: 'a prepared branch gives its locks back',
    file: 'lmdb/branch.ts',
    code: 'if (!mayBePrepared) this.#locks.release(this.#transaction)',
    replacement: 'this.#locks.release(this.#transaction)',
    caughtBy: [conformance('lmdb', 'prepared: locks are kept until finish, also over a crash of the store')],
  },
  {
    rule: 'R7',
    fault: 'a lock goes to whoever asks when it is free, past those who wait',
    file: 'lmdb/locks.ts',
    code: 'const isFree = held !== undefined || lock.waiters.length === 0',
    replacement: 'const isFree = true',
    caughtBy: [test('lmdb/locks', 'nobody passes an earlier waiter')],
  },
]
