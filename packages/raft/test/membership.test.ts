import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MalformedMessageError } from '../src/errors.ts'
import { push, truncateFrom } from '../src/log.ts'
import {
  changed,
  decodeMembership,
  encodeMembership,
  type Membership,
  type MembershipChange,
  maxReplicas,
} from '../src/membership.ts'
import { adopt, rollBack } from '../src/membership-change.ts'
import type { Entry, LogIndex, ReplicaId, Term } from '../src/message.ts'
import { majorityOf } from '../src/quorum.ts'
import { defaultSettings } from '../src/settings.ts'
import { createState, membershipOf } from '../src/state.ts'

const ids = Array.from({ length: 9 }, (_, place) => `n${place + 1}` as ReplicaId)

/** Each of the nine is a voter, a learner or nobody; at least one votes. */
const membership: fc.Arbitrary<Membership> = fc
  .array(fc.constantFrom('voter', 'learner', 'nobody'), { minLength: 9, maxLength: 9 })
  .map((roles) => ({
    voters: ids.filter((_, place) => roles[place] === 'voter'),
    learners: ids.filter((_, place) => roles[place] === 'learner'),
  }))
  .filter(({ voters }) => voters.length > 0)

const change: fc.Arbitrary<MembershipChange> = fc.record({
  kind: fc.constantFrom('addLearner', 'promote', 'remove'),
  replica: fc.constantFrom(...ids),
})

/** All sets of voters that are just large enough to decide. */
function majorities(voters: readonly ReplicaId[]): readonly (readonly ReplicaId[])[] {
  const sets = Array.from({ length: 2 ** voters.length }, (_, bits) =>
    voters.filter((_id, place) => (bits >> place) & 1),
  )
  return sets.filter(({ length }) => length === majorityOf(voters.length))
}

test('any majority before a change shares a replica with any majority after it', () => {
  fc.assert(
    fc.property(membership, change, (before, step) => {
      const after = changed(before, step)
      if (typeof after === 'string') return
      for (const one of majorities(before.voters)) {
        for (const other of majorities(after.voters)) expect(one.some((id) => other.includes(id))).toBe(true)
      }
    }),
  )
})

test('a change leaves each list sorted, nobody twice, somebody who votes, and does what it says to one replica', () => {
  fc.assert(
    fc.property(membership, change, (before, { kind, replica }) => {
      const after = changed(before, { kind, replica })
      if (typeof after === 'string') return
      const all = [...after.voters, ...after.learners]
      expect(new Set(all).size).toBe(all.length)
      expect(after).toEqual({ voters: after.voters.toSorted(), learners: after.learners.toSorted() })
      expect(after.voters.length).toBeGreaterThan(0)
      expect(after.voters.includes(replica)).toBe(kind === 'promote')
      expect(after.learners.includes(replica)).toBe(kind === 'addLearner')
      const others = ({ voters, learners }: Membership): unknown =>
        [voters, learners].map((members) => members.filter((id) => id !== replica))
      expect(others(after)).toEqual(others(before))
    }),
  )
})

test.each([
  ['a member added again', { kind: 'addLearner', replica: 'n1' }, 'alreadyMember'],
  ['a learner added again', { kind: 'addLearner', replica: 'n3' }, 'alreadyMember'],
  ['a voter promoted', { kind: 'promote', replica: 'n1' }, 'alreadyVoter'],
  ['somebody unknown promoted', { kind: 'promote', replica: 'n4' }, 'notLearner'],
  ['somebody unknown removed', { kind: 'remove', replica: 'n4' }, 'notMember'],
] as const)('%s is refused', (_, { kind, replica }, why) => {
  const before = { voters: ['n1', 'n2'], learners: ['n3'] } as unknown as Membership
  expect(changed(before, { kind, replica: replica as ReplicaId })).toBe(why)
})

test('the last voter stays, and there is an end to the members', () => {
  const [first = '' as ReplicaId] = ids
  expect(changed({ voters: [first], learners: [] }, { kind: 'remove', replica: first })).toBe('lastVoter')
  const many = Array.from({ length: maxReplicas - 1 }, (_, place) => `m${10 + place}` as ReplicaId)
  expect(changed({ voters: [first], learners: many }, { kind: 'addLearner', replica: 'm99' as ReplicaId })).toBe(
    'tooMany',
  )
})

test('a membership comes back as it was written', () => {
  fc.assert(
    fc.property(membership, (written) => {
      expect(decodeMembership(encodeMembership(written))).toEqual(written)
    }),
  )
})

test('any bytes are a membership or are refused', () => {
  const mutated = fc.tuple(membership, fc.nat(), fc.nat(255)).map(([written, place, value]) => {
    const bytes = encodeMembership(written).slice()
    bytes[place % bytes.length] = value
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      try {
        const { voters, learners } = decodeMembership(bytes)
        expect(new Set([...voters, ...learners]).size).toBe(voters.length + learners.length)
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMessageError)
      }
    }),
  )
})

test('what counts is what the last entry in the log says, however often the log is cut and grows again', () => {
  const steps = fc.array(fc.record({ brings: fc.option(membership), cutFrom: fc.option(fc.nat(20)) }), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(membership, steps, (founding, history) => {
      const state = createState({
        id: 'n1' as ReplicaId,
        settings: defaultSettings,
        hardState: { term: 1 as Term, votedFor: undefined },
        appliedIndex: 0 as LogIndex,
        appliedTerm: 0 as Term,
        entries: [],
        membership: { index: 0 as LogIndex, ...founding },
        staged: undefined,
        chance: 0,
      })
      const { log } = state
      for (const { brings, cutFrom } of history) {
        if (cutFrom !== null && cutFrom >= 1 && cutFrom <= log.entries.length) {
          truncateFrom(log, cutFrom as LogIndex)
          rollBack(state, cutFrom as LogIndex)
        }
        const entry: Entry = {
          term: 1 as Term,
          index: (log.entries.length + 1) as LogIndex,
          kind: brings === null ? 'noop' : 'members',
          command: brings === null ? new Uint8Array() : encodeMembership(brings),
        }
        push(log, entry)
        if (brings !== null) adopt(state, entry)
        const last = log.entries.findLast(({ kind }) => kind === 'members')
        const expected = last === undefined ? founding : decodeMembership(last.command)
        expect(membershipOf(state)).toEqual({ index: last?.index ?? 0, ...expected })
        expect(state.isVoter).toBe(expected.voters.includes(state.id))
        expect(state.peers).toEqual([...expected.voters, ...expected.learners].filter((id) => id !== state.id))
      }
    }),
  )
})
