import { expect, test } from 'vitest'
import { Inbox } from '../src/inbox.ts'
import type { ReplicaId, Term } from '../src/message.ts'

const from = 'n2' as ReplicaId
const message = { kind: 'timeoutNow', term: 1 as Term } as const

test('a turn takes so many messages and no more, and what happens here always', () => {
  const inbox = new Inbox({ maxMessagesPerTurn: 3, maxMessageBytesPerTurn: 1000 })
  for (let count = 0; count < 5; count++) {
    if (inbox.hasRoom()) inbox.addMessage(from, message, 10)
    inbox.add({ kind: 'asked', read: count })
  }
  expect(inbox.hasRoom()).toBe(false)
  expect(inbox.take().map(({ kind }) => kind)).toEqual([
    'received',
    'asked',
    'received',
    'asked',
    'received',
    'asked',
    'asked',
    'asked',
  ])
  expect(inbox.hasRoom()).toBe(true)
  expect(inbox.take()).toEqual([])
})

test('so many bytes, and no more than one message beyond them', () => {
  const inbox = new Inbox({ maxMessagesPerTurn: 100, maxMessageBytesPerTurn: 1000 })
  let taken = 0
  while (inbox.hasRoom()) {
    inbox.addMessage(from, message, 300)
    taken++
  }
  expect(taken).toBe(4)
})
