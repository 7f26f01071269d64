import { attack, test } from '../mutant.ts'
import type { ProtocolMutant } from './rule.ts'

/** Transactions that a participant decides, and ids that a caller keeps (rules R9, R17). */
export const loneMutants: readonly ProtocolMutant[] = [
  {
    rule: 'R9',
    fault: 'a lone transaction is told aborted before it is buried',
    file: 'participant/lone.ts',
    code: 'const buried = await resource.tombstone(id, digest)',
    replacement: `const buried: string = 'done'`,
    caughtBy: [
      attack(
        'lone',
        'R9, hole 2: what was told aborted stays so, though an earlier copy of the request arrives when it would succeed',
      ),
    ],
  },
  {
    rule: 'R9',
    fault: 'a COMMIT whose answer is lost is told aborted',
    file: 'participant/branch-alone.ts',
    code: `branch.reason = result.kind === 'exists' ? unknownBranch : uncertain
      return [settle(sealed, lone, branch.reason)]`,
    replacement: `branch.reason = result.kind === 'exists' ? unknownBranch : uncertain
      return [{ kind: 'tell', asker: lone.asker, digest, answer: { kind: 'aborted', reason: branch.reason } }]`,
    caughtBy: [test('participant/lone', 'is committed when the tombstone meets its row')],
  },
  {
    rule: 'R9',
    fault: 'a branch commits alone with more calls than the list names',
    file: 'participant/branch-alone.ts',
    code: 'listed.calls !== branch.started || listed.calls !== branch.calls.length',
    replacement: 'listed.calls > branch.started',
    caughtBy: [
      attack('lone', 'R5, R9: exactly the calls of the list: one that was executed and is not in it commits nothing'),
    ],
  },
  {
    rule: 'R9',
    fault: 'a one-shot that only read keeps no row',
    file: 'participant/branch-step.ts',
    code: 'const rowAlways = branch.nonce === undefined && !branch.readOnly',
    replacement: 'const rowAlways = false',
    caughtBy: [
      attack('lone', 'R9, R10, hole 13: a one-shot that only read has a row, and does not write when it runs again'),
    ],
  },
  {
    rule: 'R9',
    fault: 'whoever asks with another list is told the outcome of the one that committed',
    file: 'participant/lone.ts',
    code: `if (row.digest !== digest) return { kind: 'conflict' }`,
    replacement: '',
    caughtBy: [test('participant/lone', 'under another list than the one that committed is a conflict')],
  },
  {
    rule: 'R9',
    fault: 'silence of a participant is told as an abort',
    file: 'client/alone.ts',
    code: 'throw new InDoubt(id, whyUnanswered(asked.why, participant), { kept: false, lone: list, cause })',
    replacement: `if (cause !== undefined) throw new InDoubt(id, 'cancelled', { kept: false, lone: list, cause })
  return { kind: 'aborted', reason: { code: 'unreachable', message: 'No answer.', retryable: true } }`,
    caughtBy: [test('client/lone', 'that nobody answers is in doubt, never aborted, and says what to ask with')],
  },
  {
    rule: 'R9',
    fault: 'another instance buries what the slow one still runs',
    file: 'client/alone.ts',
    code: 'const others = attempt > patientSendings && attempt % 2 === 1',
    replacement: 'const others = attempt > 1',
    caughtBy: [
      test('client/lone', 'is asked for again while its participant does not know, at the instance that holds it'),
    ],
  },
  {
    rule: 'R9',
    fault: 'a group records what a participant decides by itself',
    file: 'coordinator/decisions.ts',
    code: 'if (isLone(id, branches) && !isRecovered) return',
    replacement: 'if (isLone(id, branches) && branches.length > 1 && !isRecovered) return',
    caughtBy: [
      test(
        'coordinator/decisions',
        'one branch is malformed, whoever proposes it, but under an id that the caller keeps (R9)',
      ),
    ],
  },
  {
    rule: 'R9',
    fault: 'groups take requests for one branch',
    file: 'protocol/sealed-schema.ts',
    code: 'if (isLone(sealed.id, sealed.list))\n    refuse',
    replacement: 'if (sealed.list.length === 0)\n    refuse',
    caughtBy: [
      test(
        'protocol/codec',
        'for a group names two branches or more, but under an id that is kept, and one for a participant alone',
      ),
    ],
  },
  {
    rule: 'R17',
    fault: 'one branch under a kept id is decided by its participant',
    file: 'protocol/lone.ts',
    code: `branches.length === 1 && parseId(id).mark === 'once'`,
    replacement: 'branches.length === 1 && parseId(id).epoch > 0',
    caughtBy: [
      attack('lone', 'R9, R17: under an id that the caller keeps one branch is logged, and no participant decides it'),
    ],
  },
  {
    rule: 'R17',
    fault: 'reads under a kept id are not logged',
    file: 'coordinator/commit.ts',
    code: 'if (!onlyRead || commit.kept) return',
    replacement: 'if (!onlyRead) return',
    caughtBy: [
      attack('reruns', 'R10, R17: reads under a kept id are logged, so that a run of it after them is not executed'),
    ],
  },
  {
    rule: 'R17',
    fault: 'runs that overlap share a branch',
    file: 'participant/branch.ts',
    code: `if (event.nonce !== branch.nonce) return [answer(event.call, { kind: 'busy' })]`,
    replacement: '',
    caughtBy: [attack('reruns', 'R17: runs that overlap share no branch: the second one sees no result of the first')],
  },
  {
    rule: 'R17',
    fault: 'a run begins without a look',
    file: 'client/transaction.ts',
    code: 'const before = kept ? await findBefore(',
    replacement: 'const before = kept && endsAtMs < 0 ? await findBefore(',
    caughtBy: [test('client/kept', 'that was committed is told so, and nothing runs')],
  },
  {
    rule: 'R17',
    fault: 'a run that met another one is told aborted',
    file: 'client/transaction.ts',
    code: 'if (!busy) throw failure',
    replacement: 'if (found === undefined) throw failure',
    caughtBy: [test('client/kept', 'whose call meets another run that stays undecided is in doubt, and never aborted')],
  },
  {
    rule: 'R17',
    fault: 'a run whose list lost is told aborted',
    file: 'client/commit.ts',
    code: 'if (!kept) throw new TransactionAborted(id, conflict, true)',
    replacement: 'if (kept || !kept) throw new TransactionAborted(id, conflict, true)',
    caughtBy: [
      attack('reruns', 'R4, R17: a run whose list lost against that of another run is told what that one came to'),
    ],
  },
]
