import {
  answerSubject,
  isInboxOf,
  namespace,
  readAnswerer,
  readControllingGroup,
  readGreetedGroup,
  readOwner,
  readVoter,
  subjects,
} from '@verdict/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { groupIds, groups, owners, participants, tokens } from './arbitrary.ts'

const ours = namespace('shop')
const of = subjects(ours)

test('readers find the sender that writers named', () => {
  fc.assert(
    fc.property(groupIds, groups, owners, participants, tokens<never>(), (group, name, owner, participant, token) => {
      expect(readOwner(of.hello(name, owner))).toBe(owner)
      expect(readOwner(of.firstCall(participant, owner))).toBe(owner)
      expect(readOwner(of.call(participant, token, owner))).toBe(owner)
      expect(readOwner(of.group(group, owner))).toBe(owner)
      expect(readOwner(of.look(group, owner))).toBe(owner)
      expect(readOwner(of.operate(group, owner))).toBe(owner)
      expect(readOwner(of.status(group, 'n1', owner))).toBe(owner)
      expect(readVoter(of.vote(group, participant))).toBe(participant)
      expect(readControllingGroup(of.control(group, participant))).toBe(group)
      expect(readControllingGroup(of.controlInstance(group, participant, token))).toBe(group)
      expect(readControllingGroup(of.news(group))).toBe(group)
      expect(readGreetedGroup(of.hello(name, owner))).toBe(name)
    }),
  )
})

test('whoever answers is read from the subject of the answer', () => {
  fc.assert(
    fc.property(owners, tokens<never>(), participants, groupIds, (owner, token, participant, group) => {
      const inbox = of.inbox(owner, token)
      const byParticipant = { kind: 'participant', participant } as const
      const byReplica = { kind: 'replica', group, replica: 'n1' } as const
      expect(readAnswerer(answerSubject(inbox, byParticipant))).toEqual(byParticipant)
      expect(readAnswerer(answerSubject(inbox, byReplica))).toEqual(byReplica)
    }),
  )
})

test('an inbox belongs to one owner of one namespace', () => {
  fc.assert(
    fc.property(owners, owners, tokens<never>(), (owner, other, token) => {
      const inbox = of.inbox(owner, token)
      expect(isInboxOf(inbox, ours, owner)).toBe(true)
      expect(isInboxOf(inbox, ours, other)).toBe(owner === other)
      expect(isInboxOf(inbox, namespace('else'), owner)).toBe(false)
      expect(isInboxOf(`${inbox}.p.payments`, ours, owner)).toBe(false)
      expect(isInboxOf(inbox.replace('.ans.', '.vote.'), ours, owner)).toBe(false)
    }),
  )
})

test.each([
  '',
  '.',
  'shop.v1.ans',
  'shop.v1.ans.o.x.p',
  'shop.v1.ans.o.x.q.payments',
  'shop.v1.ans.o.x.p.payments.more',
  'shop.v1.ans.o.x.g.main.n1',
  'shop.v1.vote.g.p.more',
  'shop.v1.hello',
  'shop.v1.ctl.main.p',
  'shop.v1.x.*',
  'shop.v1.x.>',
])('a foreign subject %j names nobody', (subject) => {
  expect(readAnswerer(subject)).toBeUndefined()
  expect(readVoter(subject)).toBeUndefined()
  expect(readControllingGroup(subject)).toBeUndefined()
  expect(readGreetedGroup(subject)).toBeUndefined()
  expect(isInboxOf(subject, ours, 'o' as never)).toBe(false)
})

test('a namespace is one token', () => {
  for (const bad of ['', 'a.b', 'A', '*', '>', 'a'.repeat(33)]) expect(() => namespace(bad)).toThrow('namespace')
})
