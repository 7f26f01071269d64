import { attack, test } from '../mutant.ts'
import type { ProtocolMutant } from './rule.ts'

/** What becomes of branches once there is an outcome, and what cannot be honoured (rules R8, R10). */
export const outcomeMutants: readonly ProtocolMutant[] = [
  {
    rule: 'R8',
    fault: 'a commit of what is not there is acknowledged',
    file: 'participant/ending.ts',
    code: `return { kind: 'hazard', hazard: 'effects-lost' }`,
    replacement: `return { kind: 'acknowledge', applied: 'committed' }`,
    caughtBy: [
      attack(
        'databases',
        'R8, R16: a failover that loses the prepare is a hazard: told, recorded, never acknowledged, never settled',
      ),
    ],
  },
  {
    rule: 'R8',
    fault: 'a commit ends a prepared branch of another opening',
    file: 'participant/ending.ts',
    code: 'return row.digest === told.digest && row.token === told.token',
    replacement: 'return row.digest === told.digest',
    caughtBy: [test('participant/ending', 'prepared, other token > and is told committed')],
  },
  {
    rule: 'R8',
    fault: 'an abort ends what was prepared under another list',
    file: 'participant/ending.ts',
    code: `return row.digest === told.digest ? { kind: 'finish', branch: row, ending: 'aborted' } : { kind: 'ignore' }`,
    replacement: `return { kind: 'finish', branch: row, ending: 'aborted' }`,
    caughtBy: [test('participant/outcomes', 'of another list leaves the prepared branch alone')],
  },
  {
    rule: 'R8',
    fault: 'an abort of what is not there leaves no tombstone',
    file: 'participant/ending.ts',
    code: `return { kind: 'tombstone' }`,
    replacement: `return { kind: 'acknowledge', applied: 'aborted' }`,
    caughtBy: [
      attack('branches', 'R8: a prepare that arrives after the abort finds a tombstone, and prepares nothing'),
    ],
  },
  {
    rule: 'R8',
    fault: 'what a committed branch is told aborted of is acknowledged',
    file: 'participant/ending.ts',
    code: `return { kind: 'hazard', hazard: 'aborted-met-committed' }`,
    replacement: `return { kind: 'acknowledge', applied: 'aborted' }`,
    caughtBy: [
      attack('databases', 'R16: a branch that somebody committed by hand, though it is aborted, is a hazard'),
    ],
  },
  {
    rule: 'R8',
    fault: 'an outcome is dropped while a word that is none is dealt with',
    file: 'participant/endings.ts',
    code: 'if (isOutcome(told) && !isOutcome(before.told)) this.#told.set(id, telling)',
    replacement: 'if (isOutcome(told) && isOutcome(before.told)) this.#told.set(id, telling)',
    caughtBy: [test('participant/outcomes', 'takes the place of a word that is none')],
  },
  {
    rule: 'R8',
    fault: 'a word that is no outcome takes the place of one',
    file: 'participant/endings.ts',
    code: 'if (isOutcome(told) && !isOutcome(before.told)) this.#told.set(id, telling)',
    replacement: 'if (before.told.digest === told.digest) this.#told.set(id, telling)',
    caughtBy: [test('participant/outcomes', 'stays an outcome, whatever is told meanwhile that is none')],
  },
  {
    rule: 'R8',
    fault: 'an outcome that the resource does not take is given up',
    file: 'participant/endings.ts',
    code: `if (finished === 'busy') return 'again'`,
    replacement: `if (finished === 'busy') return 'over'`,
    caughtBy: [
      test(
        'participant/outcomes',
        'is tried again for ever, with pauses that grow, and acknowledged in the end',
      ),
    ],
  },
  {
    rule: 'R8',
    fault: 'a branch that only read is told committed',
    file: 'coordinator/inquiry.ts',
    code: `return branch?.vote === 'prepared' ?`,
    replacement: 'return branch !== undefined ?',
    caughtBy: [test('coordinator/inquiry', 'a commit that counted it as read-only')],
  },
  {
    rule: 'R8',
    fault: 'who acknowledged is not told committed again',
    file: 'coordinator/inquiry.ts',
    code: `return branch?.vote === 'prepared' ?`,
    replacement: `return branch?.vote === 'prepared' && !record.settled ?`,
    caughtBy: [
      attack('databases', 'R8: a failover that loses COMMIT PREPARED is told committed again, though it had acknowledged'),
    ],
  },
  {
    rule: 'R8',
    fault: 'a holder of another list is told the outcome of this one',
    file: 'coordinator/inquiry.ts',
    code: `if (!speaksOf(record, digest)) return withoutOutcome('discard')`,
    replacement: '',
    caughtBy: [test('coordinator/inquiry', 'a commit under another list')],
  },
  {
    rule: 'R8',
    fault: 'branches that have not voted hear nothing of the abort',
    file: 'coordinator/hazards.ts',
    code: `return vote === 'prepared' || (outcome === 'aborted' && vote === 'unknown')`,
    replacement: `return vote === 'prepared' && (outcome === 'aborted' || outcome === 'committed')`,
    caughtBy: [test('coordinator/delivery', `aborted with the votes [ 'prepared', 'refused', 'unknown' ]`)],
  },
  {
    rule: 'R8',
    fault: 'outcomes are told again to the instance that voted alone',
    file: 'coordinator/delivery.ts',
    code: 'const instance = recipient.sent % 2 === 0 ? recipient.instance : undefined',
    replacement: 'const instance = recipient.instance',
    caughtBy: [
      test('coordinator/delivery', 'first the instance that voted, then any and that one in turn, with growing pauses'),
    ],
  },
  {
    rule: 'R8',
    fault: 'an acknowledgement of the other outcome counts',
    file: 'coordinator/delivery.ts',
    code: '|| event.applied !== record.outcome) return []',
    replacement: ') return []',
    caughtBy: [test('coordinator/delivery', 'of the other outcome count nothing')],
  },
  {
    rule: 'R10',
    fault: 'a one-shot that only read is taken for one that can never write',
    file: 'coordinator/commit.ts',
    code: `(branch.listed.kind === 'called' || vote.declared === true)`,
    replacement: `(branch.listed.kind === 'called' || vote.kind === 'read-only')`,
    caughtBy: [test('coordinator/commit', 'a one-shot is recorded: executed again it may write')],
  },
  {
    rule: 'R10',
    fault: 'what only read is written to the log',
    file: 'coordinator/commit.ts',
    code: 'if (!onlyRead || commit.kept) return',
    replacement: 'if (!onlyRead || commit.kept || commit.branches.length > 1) return',
    caughtBy: [
      test('coordinator/commit', 'nothing is proposed when every called branch only read'),
    ],
  },
  {
    rule: 'R10',
    fault: 'whoever waits with another list is told that it only read',
    file: 'coordinator/commits.ts',
    code: 'const isOwn = waiter.digest === commit.sealed?.digest',
    replacement: 'const isOwn = commit.sealed !== undefined',
    caughtBy: [
      test(
        'coordinator/commits',
        'read-only is told for the list that only read, and no other: the other has its own turn',
      ),
    ],
  },
  {
    rule: 'R10',
    fault: 'each transaction is settled by an entry of its own',
    file: 'coordinator/deliveries.ts',
    code: 'if (this.settling.length === maxSettledIds) this.flushSettled()',
    replacement: 'if (this.settling.length > 0) this.flushSettled()',
    caughtBy: [test('coordinator/deliveries', 'one entry for many (R10)')],
  },
]
