import { attack, conformance, test } from '../mutant.ts'
import type { ProtocolMutant } from './rule.ts'

/** Durability, and resources with a prepared state of their own (rules R13, R14). */
export const resourceMutants: readonly ProtocolMutant[] = [
  {
    rule: 'R13',
    fault: 'a vote is cast while its branch is still being prepared',
    file: 'participant/opening.ts',
    code: `const result = await this.#end('preparing a branch', () => this.#opened().prepare(note))`,
    replacement: `void this.#end('preparing a branch', () => this.#opened().prepare(note))
    const result: PrepareResult = { kind: 'prepared' }`,
    caughtBy: [
      test('participant/votes', 'votes prepared, with instance, token and durability, only once the row is durable'),
    ],
  },
  {
    rule: 'R13',
    fault: 'an outcome is acknowledged before it is durable',
    file: 'participant/endings.ts',
    code: 'const finished = await this.#site.resource.finish({ id, digest, token }, ending)',
    replacement: `if (ending !== 'discarded') this.#site.post.acknowledge(id, digest, ending, undefined)
    const finished = await this.#site.resource.finish({ id, digest, token }, ending)`,
    caughtBy: [
      test('participant/outcomes', 'makes the effects final, and is acknowledged once that is durable'),
      test('participant/outcomes', 'takes the effects back, and is acknowledged once that is durable'),
    ],
  },
  {
    rule: 'R13',
    fault: 'a weak vote does not say so',
    file: 'participant/post.ts',
    code: `return { kind: 'prepared', instance, token, durability, ...this.#fitting(results) }`,
    replacement: `return { kind: 'prepared', instance, token, durability: 'full', ...this.#fitting(results) }`,
    caughtBy: [test('participant/votes', 'says that its durability is weak when the resource says so')],
  },
  {
    rule: 'R13',
    fault: 'a server that loses votes in a crash is taken for a sound one',
    file: 'postgres/durability.ts',
    code: `if (fsync !== 'on')`,
    replacement: `if (fsync === undefined)`,
    caughtBy: [test('postgres/durability', '{"fsync":"off"} makes votes weak')],
  },
  {
    rule: 'R13',
    fault: 'a server that loses votes in a failover is taken for a sound one',
    file: 'postgres/durability.ts',
    code: `synchronousStandbyNames === '' ? ['local', 'remote_write', 'on', 'remote_apply'] : ['on', 'remote_apply']`,
    replacement: `['local', 'remote_write', 'on', 'remote_apply']`,
    caughtBy: [
      test(
        'postgres/durability',
        '{"synchronousStandbyNames":"one","synchronousCommit":"remote_write"} makes votes weak',
      ),
    ],
  },
  {
    rule: 'R13',
    fault: 'the word that there is no outcome ends a branch of another history',
    file: 'participant/ending.ts',
    code: `if (row.history === 'changed' && told.kind !== 'released') return { kind: 'quarantine' }`,
    replacement: '',
    caughtBy: [
      test('participant/ending', 'a row that is prepared, history changed > and is told discard'),
      attack(
        'databases',
        'R13: after a failover only an outcome ends a prepared branch, not the word that there is none',
      ),
    ],
  },
  {
    rule: 'R13',
    fault: 'a store that is read again after a crash lets go of locks',
    file: 'lmdb/journal.ts',
    code: 'for (const [key, mode] of row.locks) this.#locks.restore(transaction, key, mode)',
    replacement: '',
    caughtBy: [conformance('lmdb', 'prepared: locks are kept until finish, also over a crash of the store')],
  },
  {
    rule: 'R14',
    fault: 'a PREPARE whose answer is lost is refused',
    file: 'participant/branch-prepare.ts',
    code: `return [{ kind: 'consult', sealed, otherwise: busyUnderway }]`,
    replacement: `return [{ kind: 'consult', sealed, otherwise: refusedBallot(unknownBranch) }]`,
    caughtBy: [
      attack('recovery', 'R14: a PREPARE whose answer is lost is neither refused nor rolled back: it may happen later'),
    ],
  },
  {
    rule: 'R14',
    fault: 'an instance that was restarted does not see what it had prepared',
    file: 'participant/ballot.ts',
    code: `return { kind: 'prepared', token: row.token, ...(row.results === undefined ? {} : { results: row.results }) }`,
    replacement: 'return otherwise',
    caughtBy: [
      attack(
        'recovery',
        'R14: an instance that was restarted after it prepared votes by the name of the prepared transaction',
      ),
    ],
  },
  {
    rule: 'R14',
    fault: 'what is prepared by another opening counts as this one',
    file: 'participant/branch-prepare.ts',
    code: 'row.digest !== sealed.digest || row.token !== branch.token',
    replacement: 'row.digest !== sealed.digest',
    caughtBy: [test('participant/branch', 'what another opening prepared meanwhile is not held here')],
  },
  {
    rule: 'R14',
    fault: 'a name is read as that of a participant whose name it begins with',
    file: 'postgres/gid.ts',
    code: '{participant}_`',
    replacement: '{participant}`',
    caughtBy: [test('postgres/gid', 'names of others are not read')],
  },
  {
    rule: 'R14',
    fault: 'what lies prepared since an earlier life is not looked for',
    file: 'participant/doubts.ts',
    code: 'for (const row of await resource.inDoubt(settings.inquireAfterMs, settings.maxDoubts)) this.found(row, true)',
    replacement: 'await resource.inDoubt(settings.inquireAfterMs, settings.maxDoubts)',
    caughtBy: [test('participant/inquiries', 'is found at the start, asked about and ended')],
  },
  {
    rule: 'R14',
    fault: 'a branch is ended under another key than the one that was prepared',
    file: 'lmdb/journal.ts',
    code: `if (row.digest !== digest || row.token !== token) return 'absent'`,
    replacement: '',
    caughtBy: [conformance('lmdb', 'finish committed under another digest or token is absent and changes nothing')],
  },
  {
    rule: 'R14',
    fault: 'an aborted branch leaves no row',
    file: 'postgres/finish.ts',
    code: `return final === 'done' && ending === 'aborted' ? bury(connection, participant, key) : final`,
    replacement: 'return final',
    caughtBy: [test('postgres/finishing', 'an aborted branch leaves a row, a discarded one leaves none')],
  },
]
