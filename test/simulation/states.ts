/** What a participant has of an id, and what a leader has. */
const rows = ['nothing', 'open', 'prepared', 'prepared otherwise', 'committed', 'aborted'] as const
const records = ['no record', 'committed', 'aborted', 'settled committed', 'settled aborted'] as const
const votes = ['prepared', 'read-only', 'refused', 'busy'] as const

function pairs(left: readonly string[], right: readonly string[]): string[] {
  return left.flatMap((one) => right.map((other) => `${one} × ${other}`))
}

/**
 * Every state of the protocol, and every pair of what a role has and what it hears, that `coverage.ts` can see, by the rule that speaks
 * of it. A run prints how often each was reached, and names those that never were.
 */
export const states: Readonly<Record<string, readonly string[]>> = {
  R1: [
    'first decision',
    'decided again',
    'decided again, otherwise',
    ...['committed', 'aborted', 'read-only', 'conflict', 'pending', 'expired'].map((answer) => `answered ${answer}`),
    ...pairs(['commit'], records),
    ...pairs(['commit'], records.slice(1)).map((pair) => `${pair} of another list`),
  ],
  R2: [
    'voted prepared',
    'voted read-only',
    'voted refused',
    'busy: nothing',
    'busy: underway',
    ...pairs(
      votes.map((vote) => `vote ${vote}`),
      records,
    ),
  ],
  R3: [
    ...['owner', 'holder', 'operator'].map((actor) => `aborted by ${actor}`),
    ...['owner', 'holder'].map((actor) => `committed by ${actor}`),
    'found recorded',
    'found none',
    'found expired',
    ...pairs(['look'], records),
    ...pairs(['release'], rows),
  ],
  R4: pairs(['prepare'], rows),
  R5: [
    ...['value', 'refused', 'busy'].map((answer) => `call answered ${answer}`),
    ...pairs(
      ['first call', 'later call'],
      rows.filter((row) => row !== 'prepared otherwise'),
    ),
  ],
  R6: [
    'new leader',
    'new leader with outcomes to tell',
    'taken up',
    ...['committed', 'aborted', 'discard', 'expired', 'released', 'pending'].map((answer) => `answered ${answer}`),
    ...pairs(['inquiry with list', 'inquiry without list'], records),
  ],
  R7: ['lock time-out'],
  R8: [
    ...pairs(rows, ['committed', 'aborted', 'discard', 'expired', 'released', 'pending']),
    ...['effects-lost', 'committed-met-aborted', 'aborted-met-committed', 'other-branch-prepared'].map(
      (kind) => `hazard ${kind}`,
    ),
    'ignored aborted',
    'ignored discard',
    'rolled back without an outcome',
  ],
  R9: [
    ...['committed', 'aborted', 'read-only', 'conflict', 'expired', 'busy'].map((answer) => `answered ${answer}`),
    ...pairs(['alone'], ['nothing', 'open', 'committed', 'aborted']),
  ],
  R10: [
    ...['prepared', 'read-only'].map((vote) => `committed, a branch voted ${vote}`),
    ...['prepared', 'read-only', 'refused', 'unknown'].map((vote) => `aborted, a branch voted ${vote}`),
    'settled one',
    'settled many',
    ...pairs(['ack committed'], ['committed', 'settled committed', 'no record']),
    ...pairs(['ack aborted'], ['aborted', 'settled aborted', 'no record']),
  ],
  R11: ['epoch moved', 'horizon moved', 'records forgotten'],
  R12: ['refused below the floor', 'rows deleted', 'sweep answered forgotten', 'sweep answered kept'],
  R13: ['quarantined'],
  R15: ['participant rejects a message', 'replica drops a message'],
  R16: [
    ...pairs(['abort', 'resolve', 'retry'], records),
    ...['recorded', 'released', 'tried', 'nothing'].map((done) => `done ${done}`),
    ...['effects-lost', 'committed-met-aborted', 'aborted-met-committed', 'other-branch-prepared'].map(
      (kind) => `recorded ${kind}`,
    ),
    ...['committed', 'aborted'].map((outcome) => `operator's abort met ${outcome}`),
    ...['quarantined', 'failing', 'overdue'].map((kind) => `participant in trouble: ${kind}`),
    ...['quarantined', 'failing', 'overdue'].map((kind) => `leader shows trouble: ${kind}`),
    'leader alarms',
  ],
  R17: ['committed', 'committed with hazards', 'aborted', 'refused', 'read-only'].map(
    (outcome) => `client told ${outcome}`,
  ),
}

/** States that the seeds of a test need not come to, and why. A long run may. */
export const rareStates: Readonly<Record<string, string>> = {
  'R1 answered pending': 'two lists of one id, of which one only reads, at one leader',
  'R1 decided again, otherwise': 'a leader whose entry reached few is deposed, and the next one decides otherwise',
  'R2 vote refused × committed': 'a doubled prepare is refused after the commit, before all have acknowledged',
  'R2 vote read-only × committed': 'a late vote',
  'R3 release × prepared otherwise': 'a late release',
  'R5 later call × prepared': 'a late copy of a call',
  'R8 nothing × released': 'an operator releases a branch while something else ends it',
  'R8 open × expired': 'a late answer',
  'R8 prepared otherwise × expired': 'an answer about another list arrives late',
  'R8 open × released': 'the same, and the id is opened again',
  'R8 open × discard': 'a late answer',
  'R8 open × pending': 'a late answer',
  'R8 open × committed': 'a branch is opened again after a store lost it',
  'R8 nothing × discard': 'a late answer',
  'R8 prepared × released': 'a quarantined branch that an operator lets go of',
  'R8 prepared otherwise × released': 'the same under another list',
  'R8 prepared otherwise × discard': 'an answer about another list arrives late',
  'R8 prepared otherwise × pending': 'an answer about another list arrives late',
  'R8 prepared otherwise × aborted': 'two lists of one id',
  'R8 committed × discard': 'a late answer after somebody committed by hand',
  'R8 committed × released': 'a late answer after somebody committed by hand',
  'R8 aborted × committed': 'attacks/databases.test.ts: no random history buries what is committed',
  'R8 aborted × discard': 'a late answer',
  'R8 aborted × released': 'a late answer',
  'R8 hazard committed-met-aborted': 'as R8 aborted × committed',
  'R8 ignored aborted': 'two lists of one id',
  'R8 ignored discard': 'an answer about another list arrives late',
  'R9 answered conflict': 'attacks/lone.test.ts: clients ask for one list of an id that is not kept',
  'R16 recorded other-branch-prepared':
    'a store loses the branch that was counted, and another one of the id is prepared since',
  'R16 recorded committed-met-aborted': 'as R8 aborted × committed',
}
