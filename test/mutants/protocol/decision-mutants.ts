import { attack, test } from '../mutant.ts'
import type { ProtocolMutant } from './rule.ts'

/** What is decided, by whom, and who is told (rules R1 to R3, R6). */
export const decisionMutants: readonly ProtocolMutant[] = [
  {
    rule: 'R1',
    fault: 'a later decision takes the place of the first',
    file: 'coordinator/decisions.ts',
    code: `if (standing !== undefined) return { kind: 'recorded', record: standing }`,
    replacement: '',
    caughtBy: [test('coordinator/decisions', 'a record that is there stands, even behind the horizon')],
  },
  {
    rule: 'R1',
    fault: 'an epoch that the group has not reached is decided',
    file: 'coordinator/decisions.ts',
    code: 'if (epoch > epochOf(space))',
    replacement: 'if (epoch > epochOf(space) + 1)',
    caughtBy: [test('coordinator/decisions', 'aborted of an epoch that the group has not reached is malformed')],
  },
  {
    rule: 'R1',
    fault: 'a commit is recorded though a branch has not voted for it',
    file: 'coordinator/decisions.ts',
    code: `(vote !== 'prepared' && vote !== 'read-only') || token === undefined`,
    replacement: `vote === 'refused' || token === undefined`,
    caughtBy: [test('coordinator/decisions', 'committed with a branch that voted unknown is malformed')],
  },
  {
    rule: 'R1',
    fault: 'a commit is recorded though nobody knows which opening voted',
    file: 'coordinator/decisions.ts',
    code: `(vote !== 'prepared' && vote !== 'read-only') || token === undefined`,
    replacement: `vote !== 'prepared' && vote !== 'read-only'`,
    caughtBy: [
      test('coordinator/decisions', 'committed with a prepared branch whose opening is not known is malformed'),
    ],
  },
  {
    rule: 'R1',
    fault: 'the owner is told what is proposed, before it is committed',
    file: 'coordinator/commits.ts',
    code: 'underway.collectedAtMs = this.ports.clock.nowMs()',
    replacement: `underway.collectedAtMs = this.ports.clock.nowMs()
    const early = { ...decision, settled: false, hazards: [] }
    for (const waiter of underway.waiters) this.ports.deliveries.answer(early, waiter)`,
    caughtBy: [
      attack(
        'decisions',
        'R1: what a leader proposes is not told before it is committed: a deposed leader with all votes tells nothing, and loses',
      ),
    ],
  },
  {
    rule: 'R1',
    fault: 'the proposer tells what it proposed, not what the log made of it',
    file: 'coordinator/commits.ts',
    code: '(applied) => this.ports.troubles.contain(id, () => this.applied(id, underway, applied)),',
    replacement: `(applied) => {
          const { outcome } = decision
          const own = applied.kind === 'recorded' ? { ...applied, record: { ...applied.record, outcome } } : applied
          this.ports.troubles.contain(id, () => this.applied(id, underway, own))
        },`,
    caughtBy: [
      test(
        'coordinator/agreement.property',
        'however two leaders of one log overlap, all outcomes that they tell are those of the records',
      ),
    ],
  },
  {
    rule: 'R1',
    fault: 'what is decided is collected votes for again',
    file: 'coordinator/commits.ts',
    code: 'const record = recordOf(space, id)\n    if (record !== undefined) {',
    replacement: 'const record = recordOf(space, id)\n    if (record?.settled) {',
    caughtBy: [test('coordinator/commits', 'a commit that finds a record is answered from it')],
  },
  {
    rule: 'R2',
    fault: 'participants are told to abort before the record is there',
    file: 'coordinator/commits.ts',
    code: 'underway.collectedAtMs = this.ports.clock.nowMs()',
    replacement: `underway.collectedAtMs = this.ports.clock.nowMs()
    if (decision.outcome === 'aborted') this.ports.deliveries.begin({ ...decision, settled: false, hazards: [] })`,
    caughtBy: [test('coordinator/commits', 'no participant hears of an abort before its record is there (R2)')],
  },
  {
    rule: 'R2',
    fault: 'what the log did not take is told aborted',
    file: 'coordinator/commits.ts',
    code: `for (const waiter of waiters) this.say(id, waiter, { kind: 'pending' })`,
    replacement: `const reason = { code: reasonCodes.overloaded, message: 'The log did not take it.', retryable: true }
    for (const waiter of waiters) this.say(id, waiter, { kind: 'aborted', reason })`,
    caughtBy: [
      test('coordinator/commits', 'leaves nothing behind: whoever waits is told to ask again, and asking again works'),
    ],
  },
  {
    rule: 'R3',
    fault: 'a leader that may be deposed tells that nothing is recorded',
    file: 'coordinator/inquiries.ts',
    code: 'else onceConfirmed(() => tell(find()), ended)',
    replacement: 'else tell(found)',
    caughtBy: [
      test(
        'coordinator/leader',
        'that nothing is recorded is told only once leadership is confirmed, as it stands then',
      ),
    ],
  },
  {
    rule: 'R3',
    fault: 'a confirmed look tells what it found before it was confirmed',
    file: 'coordinator/inquiries.ts',
    code: 'onceConfirmed(() => tell(find()), ended)',
    replacement: 'onceConfirmed(() => tell(found), ended)',
    caughtBy: [
      test(
        'coordinator/leader',
        'that nothing is recorded is told only once leadership is confirmed, as it stands then',
      ),
    ],
  },
  {
    rule: 'R3',
    fault: 'a leader that may be deposed tells a holder that its time is forgotten',
    file: 'coordinator/inquiries.ts',
    code: 'else onceConfirmed(tell)',
    replacement: 'else tell()',
    caughtBy: [test('coordinator/leader', 'expired and pending are told only once leadership is confirmed')],
  },
  {
    rule: 'R3',
    fault: 'a client that gives up leaves its branches open',
    file: 'client/interactive.ts',
    code: 'for (const { participant, opening } of openings(this.branches)) {',
    replacement: 'for (const { participant, opening } of openings(this.branches).slice(1)) {',
    caughtBy: [
      test(
        'client/transaction',
        'because a call was refused says who refused and why, releases its branches, and logs nothing',
      ),
    ],
  },
  {
    rule: 'R6',
    fault: 'a new leader aborts what it does not know',
    file: 'coordinator/commit.ts',
    code: 'if (event.list === undefined) return []\n',
    replacement: `if (event.list === undefined) return [propose(commit, 'aborted', spentReason(commit))]\n`,
    caughtBy: [
      test('coordinator/commit', 'without a list: nobody is asked and nothing is proposed until the budget is spent'),
    ],
  },
  {
    rule: 'R6',
    fault: 'a holder that asks again puts the end off',
    file: 'coordinator/commit.ts',
    code: `commit.actor = { kind: 'holder', participant: event.holder.participant }
    commit.endsAtMs = event.endsAtMs
  }`,
    replacement: `commit.actor = { kind: 'holder', participant: event.holder.participant }
  }
  commit.endsAtMs = event.endsAtMs`,
    caughtBy: [test('coordinator/commit', 'a holder that asks again does not put the end off')],
  },
  {
    rule: 'R6',
    fault: 'the owner that comes back brings no operations',
    file: 'coordinator/commit.ts',
    code: 'if (commit.sealed.operations !== undefined || event.sealed.operations === undefined) return []',
    replacement: 'return []',
    caughtBy: [test('coordinator/commit', 'the owner that comes back brings its own budget, and the operations')],
  },
  {
    rule: 'R6',
    fault: 'an invented list is believed',
    file: 'coordinator/inquiry.ts',
    code: '|| digestOf(held.id, held.list) !== held.digest) return undefined',
    replacement: ') return undefined',
    caughtBy: [test('coordinator/inquiry', 'not when its digest binds another list')],
  },
  {
    rule: 'R6',
    fault: 'a new leader leaves untold what the one before it decided',
    file: 'coordinator/deliveries.ts',
    code: 'troubles.contain(record.id, () => this.insist(record, { waitingFor: toldOf(record), patient: false }))',
    replacement: '',
    caughtBy: [test('coordinator/deliveries', 'of earlier leaders are told by a new one, in waves (R6)')],
  },
  {
    rule: 'R6',
    fault: 'participants ask about what their leader is at work on',
    file: 'participant/recovery.ts',
    code: 'nowMs, nowMs + limits.inquireAfterMs, nowMs + limits.inquireAfterMs)',
    replacement: 'nowMs, nowMs, nowMs)',
    caughtBy: [test('participant/recovery', 'is left to its leader until the minimum age, then asked about')],
  },
  {
    rule: 'R6',
    fault: 'participants ask again without a longer pause',
    file: 'participant/recovery.ts',
    code: 'Math.min(limits.inquiryPauseMs * 2 ** entry.asked, limits.maxInquiryPauseMs)',
    replacement: 'limits.inquiryPauseMs',
    caughtBy: [
      test('participant/recovery', 'without an answer it is asked again, with pauses that double up to a maximum'),
    ],
  },
]
