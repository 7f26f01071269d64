/** A rule taken out of the product's sources, and the scenario in which it is missed. */
export interface Mutant {
  /** What the sources do without the rule. */
  readonly fault: string
  /** From the repository's root. */
  readonly file: string
  /** The text that is replaced, where it occurs first. */
  readonly code: string
  readonly replacement: string
  /** The search of this scenario finds a counterexample. */
  readonly scenario: string
}

const coordinator = 'packages/coordinator/src'
const participant = 'packages/participant/src'
const client = 'packages/client/src'

/** Rules that the search sees the want of. */
export const mutants: readonly Mutant[] = [
  {
    fault: 'a later decision takes the place of the first one (R1)',
    file: `${coordinator}/decisions.ts`,
    code: `if (standing !== undefined) return { kind: 'recorded', record: standing }`,
    replacement: '',
    scenario: 'commit',
  },
  {
    fault: 'a commit without the vote of every branch (R1, R2)',
    file: `${coordinator}/commit.ts`,
    code: `if (commit.branches.some(({ vote }) => vote === 'awaited')) return []`,
    replacement: '',
    scenario: 'commit',
  },
  {
    fault: 'a look makes a holder drop what it promised (R3)',
    file: `${coordinator}/inquiry.ts`,
    code: `{ id, digest, answer: 'expired' } : 'unknown'`,
    replacement: `{ id, digest, answer: 'expired' } : { id, digest, answer: 'discard' }`,
    scenario: 'commit',
  },
  {
    fault: 'votes for another list count (R4)',
    file: `${coordinator}/commit.ts`,
    code: 'if (commit.sealed?.digest !== digest) return []',
    replacement: '',
    scenario: 'two lists, two leaders',
  },
  {
    fault: 'a branch that is prepared votes for any list, from its row (R4)',
    file: `${participant}/ballot.ts`,
    code: 'if (row.digest !== digest) return refusedBallot(otherList)',
    replacement: '',
    scenario: 'two lists, two instances',
  },
  {
    fault: 'a branch that is prepared votes for any list, from memory (R4)',
    file: `${participant}/ballot.ts`,
    code: 'return prepared.digest === digest ? prepared.ballot : refusedBallot(otherList)',
    replacement: 'return prepared.ballot',
    scenario: 'two lists, two leaders',
  },
  {
    fault: 'another list than the recorded one is told the outcome too (R4)',
    file: `${coordinator}/waiter.ts`,
    code: `if (digest !== record.digest) return { kind: 'conflict', recorded: record.digest, outcome }`,
    replacement: '',
    scenario: 'two lists',
  },
  {
    fault: 'a branch is prepared with calls that the list does not count (R5)',
    file: `${participant}/branch-prepare.ts`,
    code: 'if (branch.running || listed.calls !== branch.started || listed.calls !== branch.calls.length) {',
    replacement: 'if (branch.running) {',
    scenario: 'a call too many',
  },
  {
    fault: "a first call is given another run's branch (R5, R17)",
    file: `${participant}/branch.ts`,
    code: `if (event.nonce !== branch.nonce) return [answer(event.call, { kind: 'busy' })]`,
    replacement: '',
    scenario: 'reruns',
  },
  {
    fault: 'what is in doubt is never asked about (R6)',
    file: `${participant}/recovery.ts`,
    code: 'if (entry.askAtMs > nowMs) {',
    replacement: 'if (entry.askAtMs >= 0) {',
    scenario: 'lost list',
  },
  {
    fault: 'an abort is acknowledged without a tombstone (R8)',
    file: `${participant}/ending.ts`,
    code: `return { kind: 'tombstone' }`,
    replacement: `return { kind: 'acknowledge', applied: 'aborted' }`,
    scenario: 'abort',
  },
  {
    fault: 'a commit that finds nothing is acknowledged (R8, R16)',
    file: `${participant}/ending.ts`,
    code: `return { kind: 'hazard', hazard: 'effects-lost' }`,
    replacement: `return { kind: 'acknowledge', applied: 'committed' }`,
    scenario: 'lost branch',
  },
  {
    fault: 'a transaction is settled with its first acknowledgement (R8, R10)',
    file: `${coordinator}/delivery.ts`,
    code: 'return recipients.every(({ acknowledged: done }) => done)',
    replacement: 'return recipients.some(({ acknowledged: done }) => done)',
    scenario: 'commit',
  },
  {
    fault: 'a holder is told committed whatever its branch voted (R8, R10)',
    file: `${coordinator}/inquiry.ts`,
    code: `return branch?.vote === 'prepared' ?`,
    replacement: 'return branch !== undefined ?',
    scenario: 'read or written',
  },
  {
    fault: 'branches that only read are told the outcome (R8, R10)',
    file: `${coordinator}/decisions.ts`,
    code: `return vote === 'prepared' ||`,
    replacement: `return vote === 'prepared' || vote === 'read-only' ||`,
    scenario: 'read-only branch',
  },
  {
    fault: 'a one-shot that only read is not logged (R10)',
    file: `${coordinator}/commit.ts`,
    code: `vote === 'read-only' && listed.kind === 'called')`,
    replacement: `vote === 'read-only' && listed.kind.length > 0)`,
    scenario: 'read or written',
  },
  {
    fault: 'a run whose list lost is told aborted, whatever the other one came to (R17)',
    file: `${client}/answer.ts`,
    code: `return final({ kind: 'conflict' })`,
    replacement: `return final({ kind: 'aborted', reason: unknownReason })`,
    scenario: 'two lists, two leaders',
  },
  {
    fault: 'an answer that is none is taken for an abort (R1)',
    file: `${client}/answer.ts`,
    code: `    case 'pending':
      return { kind: 'again' }`,
    replacement: `    case 'pending':
      return final({ kind: 'aborted', reason: unknownReason })`,
    scenario: 'undecided',
  },
  {
    fault: 'nothing recorded is taken for an abort (R3)',
    file: `${client}/answer.ts`,
    code: `return { kind: 'run' }`,
    replacement: `return { kind: 'aborted', reason: unknownReason }`,
    scenario: 'reruns',
  },
]
