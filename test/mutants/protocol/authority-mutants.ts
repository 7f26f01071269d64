import { attack, test } from '../mutant.ts'
import type { ProtocolMutant } from './rule.ts'

/** Who may say what, and what operators order (rules R15, R16). */
export const authorityMutants: readonly ProtocolMutant[] = [
  {
    rule: 'R15',
    fault: 'whoever knows an id decides its transaction',
    file: 'coordinator/leader.ts',
    code: 'if (parseId(message.id).owner !== owner || groupOf',
    replacement: 'if (groupOf',
    caughtBy: [test('coordinator/commits', `nobody commits or aborts another owner his transaction: commit`)],
  },
  {
    rule: 'R15',
    fault: 'whoever knows a token calls in its branch',
    file: 'participant/inbound.ts',
    code: 'if (parseId(message.id).owner !== owner) return',
    replacement: 'if (owner === undefined) return',
    caughtBy: [attack('answers', 'R15: another owner neither calls in a branch whose token it knows nor releases it')],
  },
  {
    rule: 'R15',
    fault: `a request is answered in another owner's inbox`,
    file: 'protocol/subject.ts',
    code: 'o === owner &&',
    replacement: 'o !== undefined &&',
    caughtBy: [attack('answers', "R15: nobody is made to speak into another's inbox")],
  },
  {
    rule: 'R15',
    fault: 'the words of any group end a branch',
    file: 'participant/inbound.ts',
    code: `return groupOf(message.id) === group ? { kind: 'outcome',`,
    replacement: `return group !== undefined ? { kind: 'outcome',`,
    caughtBy: [
      test(
        'participant/outcomes',
        'an outcome of another group, or another life of the group, is not believed (attack 14)',
      ),
    ],
  },
  {
    rule: 'R15',
    fault: 'an operation is run that the list does not bind',
    file: 'participant/inbound.ts',
    code: `listed.kind !== 'oneShot' || operationsHash(message.operations) !== listed.operations`,
    replacement: `listed.kind !== 'oneShot'`,
    caughtBy: [test('participant/inbound', "a prepare with another participant's operations")],
  },
  {
    rule: 'R15',
    fault: 'a replica that leads no more goes on listening',
    file: 'coordinator/leader.ts',
    code: 'for (const subscription of this.subscriptions) subscription.unsubscribe()',
    replacement: '',
    caughtBy: [
      attack('answers', 'R15: a replica that leads no more says nothing to anybody: "not leader" is no answer'),
    ],
  },
  {
    rule: 'R15',
    fault: 'a client believes a group that was set up anew under the old name',
    file: 'client/group.ts',
    code: `by.kind === 'replica' && by.group === this.id`,
    replacement: `by.kind === 'replica' && parseGroupId(by.group).name === parseGroupId(this.id).name`,
    caughtBy: [attack('answers', 'R15: an answer counts only when it comes from the one that was asked')],
  },
  {
    rule: 'R15',
    fault: 'a client believes whoever answers a lone transaction',
    file: 'client/alone.ts',
    code: `from: (by) => by.kind === 'participant' && by.participant === participant,`,
    replacement: `from: (by) => by.kind === 'participant' || by.kind === 'replica',`,
    caughtBy: [attack('lone', 'R15: a lone outcome is believed of its participant alone')],
  },
  {
    rule: 'R16',
    fault: 'what operators order is taken where clients ask',
    file: 'coordinator/leader.ts',
    code: `      case 'look':
        this.inquiries.look(subject, message, asker)
        break
`,
    replacement: `      case 'look':
        this.inquiries.look(subject, message, asker)
        break
      case 'operate':
        this.orders.take(message, owner, asker)
        break
`,
    caughtBy: [test('coordinator/orders', 'is heard on its own subject only: who may commit may not force')],
  },
  {
    rule: 'R16',
    fault: 'a record with a hazard is settled once all have acknowledged',
    file: 'coordinator/decisions.ts',
    code: '|| record.hazards.some(isOpen)) return',
    replacement: ') return',
    caughtBy: [
      test('coordinator/decisions', 'a hazard keeps a committed record unsettled, whatever is acknowledged later'),
    ],
  },
  {
    rule: 'R16',
    fault: 'a commit with an open hazard is told as success',
    file: 'client/answer.ts',
    code: `if (answer.hazards.some(isOpen)) return final({ kind: 'hazards', hazards: answer.hazards })`,
    replacement: '',
    caughtBy: [test('client/commit', 'with hazards is never told as success')],
  },
  {
    rule: 'R16',
    fault: 'a resolution makes a committed transaction aborted',
    file: 'coordinator/decisions.ts',
    code: 'const marked: StoredRecord = { ...record, hazards }',
    replacement: `const marked: StoredRecord = { ...record, outcome: 'aborted', hazards }`,
    caughtBy: [
      test(
        'coordinator/decisions',
        'a resolution ends the alarm and lets the record settle, and leaves the outcome as it is',
      ),
    ],
  },
  {
    rule: 'R16',
    fault: 'an operator aborts what its participant may decide by itself',
    file: 'coordinator/orders.ts',
    code: `if (mark !== 'kept' || epoch > epochOf(space)) {`,
    replacement: `if (mark === undefined || epoch > epochOf(space)) {`,
    caughtBy: [
      test(
        'coordinator/orders',
        'of any other id that nobody has asked to commit records nothing: its participant alone may have decided it',
      ),
    ],
  },
  {
    rule: 'R16',
    fault: 'an operator is told what it ordered',
    file: 'coordinator/commits.ts',
    code: 'underway.operator = told\n',
    replacement: `told({ kind: 'recorded', record: { outcome: 'aborted' } as never })\n`,
    caughtBy: [test('coordinator/orders', 'that meets a decision on its way to the log is told that decision')],
  },
  {
    rule: 'R16',
    fault: 'a branch that an operator has dealt with is waited for',
    file: 'coordinator/delivery.ts',
    code: 'if (recipient.acknowledged || !isResolved(record, recipient.participant)) continue',
    replacement: 'continue',
    caughtBy: [test('coordinator/delivery', 'a resolved branch is waited for no longer')],
  },
  {
    rule: 'R16',
    fault: 'a transaction whose handling throws stops the leader',
    file: 'coordinator/commits.ts',
    code: `troubles.contain(
        id,
        () => this.advance(id, { kind: 'woke' }),
        (untilMs) => this.schedule.set(id, untilMs),
      )`,
    replacement: `this.advance(id, { kind: 'woke' })
      void troubles`,
    caughtBy: [test('coordinator/troubles', 'in a timer is tried again after the pause')],
  },
]
