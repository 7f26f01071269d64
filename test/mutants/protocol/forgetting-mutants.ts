import { attack, conformance, test } from '../mutant.ts'
import type { ProtocolMutant } from './rule.ts'

/** Epochs, and how what nobody needs is forgotten (rules R11, R12). */
export const forgettingMutants: readonly ProtocolMutant[] = [
  {
    rule: 'R11',
    fault: 'what lies at the horizon is decided once more',
    file: 'coordinator/decisions.ts',
    code: `if (epoch <= horizonOf(space)) return { kind: 'expired' }`,
    replacement: `if (epoch < horizonOf(space)) return { kind: 'expired' }`,
    caughtBy: [
      test(
        'coordinator/decisions',
        'nothing is recorded at or behind the horizon: the answer is expired, whatever was proposed',
      ),
    ],
  },
  {
    rule: 'R11',
    fault: 'a commit is forgotten before all have applied it',
    file: 'coordinator/records.ts',
    code: `return outcome === 'aborted' || (settled &&`,
    replacement: `return outcome !== undefined || (settled &&`,
    caughtBy: [
      test('coordinator/forgetting', 'an unsettled commit stays, alone, and goes once it is settled'),
      attack(
        'forgetting',
        'R11: a commit that a participant has not applied outlives the horizon, and is applied when it comes back',
      ),
    ],
  },
  {
    rule: 'R11',
    fault: 'a hazard is forgotten',
    file: 'coordinator/records.ts',
    code: '  if (hazards.some(isOpen)) return false\n',
    replacement: '',
    caughtBy: [attack('forgetting', 'R11: or be it of an abort')],
  },
  {
    rule: 'R11',
    fault: 'what participants have not applied keeps all else from being forgotten',
    file: 'coordinator/records.ts',
    code: 'const end = byEpoch(prefix, upTo + 1)',
    replacement: 'const end = byEpoch(prefix, unsettledCount(space, 1) > 0 ? 0 : upTo + 1)',
    caughtBy: [test('coordinator/forgetting', 'an unsettled commit stays, alone, and goes once it is settled')],
  },
  {
    rule: 'R11',
    fault: 'a leader that keeps more epochs moves the horizon back',
    file: 'coordinator/forgetting.ts',
    code: 'if (horizon > horizonOf(space)) space.put',
    replacement: 'space.put',
    caughtBy: [
      test(
        'coordinator/forgetting',
        'the horizon never goes back, even when a leader keeps more epochs than the one before',
      ),
    ],
  },
  {
    rule: 'R11',
    fault: 'one entry forgets any number of records',
    file: 'coordinator/forgetting.ts',
    code: 'forgettable(space, horizon, maxForgottenPerEntry)',
    replacement: 'forgettable(space, horizon, 1_000_000)',
    caughtBy: [
      test(
        'coordinator/forgetting',
        'one entry forgets a bounded number, the oldest epochs first; later ones forget the rest',
      ),
    ],
  },
  {
    rule: 'R11',
    fault: 'a client goes on with an epoch that was refused as old',
    file: 'client/group.ts',
    code: 'this.learntAtMs = Number.NEGATIVE_INFINITY',
    replacement: '',
    caughtBy: [
      test(
        'client/epochs',
        'before commit was asked for makes the client ask for the epoch: the next attempt has a new one',
      ),
    ],
  },
  {
    rule: 'R11',
    fault: 'a transaction may take as long as its group keeps it',
    file: 'client/group.ts',
    code: 'Math.floor(this.retentionMs / budgetsPerRetention)',
    replacement: 'Math.floor(this.retentionMs)',
    caughtBy: [test('client/epochs', 'is a third of what the group keeps at most')],
  },
  {
    rule: 'R12',
    fault: 'an id of before the floor takes part again',
    file: 'participant/branches.ts',
    code: 'if (this.#floors.isExpired(id)) return expired',
    replacement: '',
    caughtBy: [test('participant/floors', 'a first call under an old id is refused, and opens nothing')],
  },
  {
    rule: 'R12',
    fault: 'a store prepares what it may have forgotten',
    file: 'lmdb/journal.ts',
    code: `return this.floors.isExpired(id) ? 'expired' : undefined`,
    replacement: 'return undefined',
    caughtBy: [conformance('lmdb', 'expired: a branch at or below the floor is not prepared, and leaves nothing')],
  },
  {
    rule: 'R12',
    fault: 'the floor lets its own epoch in',
    file: 'lmdb/floors.ts',
    code: 'return floor !== undefined && parseId(id).epoch <= floor',
    replacement: 'return floor !== undefined && parseId(id).epoch < floor',
    caughtBy: [conformance('lmdb', 'expired: a branch at or below the floor is not prepared, and leaves nothing')],
  },
  {
    rule: 'R12',
    fault: 'a floor falls',
    file: 'lmdb/floors.ts',
    code: `if ((this.#floors.get(group) ?? 0) >= floor) return 'stood'`,
    replacement: `if (this.#floors.get(group) === floor) return 'stood'`,
    caughtBy: [conformance('lmdb', 'raiseFloor: the floor is durable and never falls')],
  },
  {
    rule: 'R12',
    fault: 'committed rows go by the floor alone',
    file: 'lmdb/floors.ts',
    code: `return row.state === 'committed' && row.mode !== 'lone'`,
    replacement: `return row.state === 'committed' && row.mode === undefined`,
    caughtBy: [
      conformance(
        'lmdb',
        'collect: shows each committed row of a logged transaction at or below the floor once, and deletes none',
      ),
    ],
  },
  {
    rule: 'R12',
    fault: 'a group says forgotten of what it may still record',
    file: 'coordinator/inquiry.ts',
    code: 'record === undefined && parseId(id).epoch <= horizon ?',
    replacement: 'record === undefined ?',
    caughtBy: [test('coordinator/sweeps', 'keeps what has a record, and what lies before the horizon')],
  },
  {
    rule: 'R12',
    fault: 'a group says forgotten of what it has a record of',
    file: 'coordinator/inquiry.ts',
    code: 'record === undefined && parseId(id).epoch <= horizon ?',
    replacement: 'parseId(id).epoch <= horizon ?',
    caughtBy: [test('coordinator/sweeps', 'keeps what has a record, and what lies before the horizon')],
  },
  {
    rule: 'R12',
    fault: 'a sweep acknowledges nothing',
    file: 'coordinator/inquiries.ts',
    code: 'troubles.contain(id, () => deliveries.acknowledged(participant, ack))',
    replacement: 'void ack',
    caughtBy: [
      test('coordinator/sweeps', 'acknowledges what is kept, so that it settles and is forgotten'),
      attack(
        'forgetting',
        'R12: a sweep is an acknowledgement: what all others were lost of settles, and is forgotten',
      ),
    ],
  },
  {
    rule: 'R12',
    fault: 'rows go that the group was not asked about',
    file: 'participant/forgetting.ts',
    code: 'event.answers.filter(({ id }) => memory.asked.delete(id))',
    replacement: 'event.answers.filter(({ id }) => memory.asked.delete(id) || memory.floor > 0)',
    caughtBy: [test('participant/forgetting', 'are never forgotten by an answer for rows that were not asked for')],
  },
  {
    rule: 'R12',
    fault: 'what a group keeps is deleted',
    file: 'participant/forgetting.ts',
    code: `answers.filter(({ answer }) => answer === 'forgotten').map(({ id }) => id)`,
    replacement: `answers.filter(({ answer }) => answer !== undefined).map(({ id }) => id)`,
    caughtBy: [
      test(
        'participant/forgetting',
        'that are committed go only when the group has forgotten them; then the next page comes',
      ),
    ],
  },
  {
    rule: 'R12',
    fault: 'the answer of another group forgets rows',
    file: 'participant/inbound.ts',
    code: `return speaksForItself(group, message) ? { kind: 'sweep-answer',`,
    replacement: `return group !== undefined ? { kind: 'sweep-answer',`,
    caughtBy: [test('participant/floors', 'the answer of another group forgets nothing')],
  },
  {
    rule: 'R12',
    fault: 'old rows are looked for as if epochs were texts',
    file: 'protocol/id-range.ts',
    code: 'if (value > letters) ranges.push(',
    replacement: 'if (value < 0) ranges.push(',
    caughtBy: [
      test('protocol/id-range', 'the ids up to an epoch are those with this epoch or a lower one, each in one range'),
    ],
  },
]
