import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeMessage, encodeMessage, maxHeaderBytes } from '../src/codec.ts'
import { MalformedMessageError } from '../src/errors.ts'
import { entryBytes } from '../src/log.ts'
import type { Append, Entry, LogIndex, Message, Term } from '../src/message.ts'

const term = fc.integer({ min: 1, max: 2 ** 40 }).map((value) => value as Term)
const index = fc.nat(2 ** 40).map((value) => value as LogIndex)
const number = fc.nat(2 ** 40)

const append = fc
  .record({
    prevIndex: fc.integer({ min: 1, max: 2 ** 40 }),
    commitIndex: index,
    terms: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }),
    command: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ prevIndex, commitIndex, terms, command }): Append => {
    const [prevTerm, ...rest] = terms.toSorted((one, other) => one - other) as Term[]
    const entries = rest.map((entryTerm, place): Entry => {
      const kind = place % 3 === 0 ? 'noop' : 'command'
      return { term: entryTerm, index: (prevIndex + place + 1) as LogIndex, kind, command }
    })
    return {
      kind: 'append',
      term: 9 as Term,
      prevIndex: prevIndex as LogIndex,
      prevTerm: prevTerm as Term,
      entries,
      commitIndex,
    }
  })

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ kind: fc.constant('requestPreVote'), term, lastIndex: index, lastTerm: term }),
  fc.record({
    kind: fc.constant('requestVote'),
    term,
    lastIndex: index,
    lastTerm: term,
    isTransfer: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('timeoutNow'), term }),
  fc.record({ kind: fc.constantFrom('preVoteReply', 'voteReply'), term, granted: fc.boolean() }),
  append,
  fc.record({ term, one: index, other: index }).map(({ one, other, ...rest }) => ({
    kind: 'appendReply',
    ...rest,
    matchIndex: Math.min(one, other) as LogIndex,
    receivedIndex: Math.max(one, other) as LogIndex,
  })),
  fc
    .record({ term, one: index, more: fc.integer({ min: 1, max: 1000 }), hintTerm: term })
    .map(({ one, more, ...rest }) => ({
      kind: 'appendRefusal',
      ...rest,
      hintIndex: one,
      prevIndex: (one + more) as LogIndex,
    })),
  fc.record({
    kind: fc.constant('heartbeat'),
    term,
    commitIndex: index,
    round: number,
    sentIndex: index,
    matchIndex: index,
  }),
  fc.record({ term, round: number, sentIndex: index, one: index, other: index }).map(({ one, other, ...rest }) => ({
    kind: 'heartbeatReply',
    ...rest,
    matchIndex: Math.min(one, other) as LogIndex,
    receivedIndex: Math.max(one, other) as LogIndex,
  })),
) as fc.Arbitrary<Message>

test('every message comes back as it was sent', () => {
  fc.assert(
    fc.property(message, (sent) => {
      expect(decodeMessage(encodeMessage(sent))).toEqual(sent)
    }),
  )
})

test('an append has no more bytes than its bound was counted in', () => {
  fc.assert(
    fc.property(append, (sent) => {
      const counted = sent.entries.reduce((bytes, entry) => bytes + entryBytes(entry), maxHeaderBytes)
      expect(encodeMessage(sent).length).toBeLessThanOrEqual(counted)
    }),
  )
})

test('a message that was cut short, or has more behind its end, is refused', () => {
  fc.assert(
    fc.property(message, fc.nat(), (sent, choice) => {
      const bytes = encodeMessage(sent)
      expect(() => decodeMessage(bytes.slice(0, choice % bytes.length))).toThrow(MalformedMessageError)
      expect(() => decodeMessage(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(MalformedMessageError)
    }),
  )
})

test('any bytes are a message or are refused: nothing else is thrown, and nothing takes long', () => {
  const mutated = fc.tuple(message, fc.nat(), fc.nat(255)).map(([sent, place, value]) => {
    const bytes = encodeMessage(sent).slice()
    bytes[place % bytes.length] = value
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      try {
        decodeMessage(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMessageError)
      }
    }),
  )
})

test.each([
  ['a later version', [2, 0, 1, 1, 1], /version is 2/],
  ['an unknown kind', [1, 99, 1], /kind is unknown/],
  ['terms that go back', [1, 4, 5, 1, 3, 0, 1, 2, 1, 0], /go back/],
  ['an entry of a term above the sender', [1, 4, 5, 1, 3, 0, 1, 9, 1, 0], /term above/],
  ['more entries than bytes', [1, 4, 5, 1, 3, 0, 0xff, 0xff, 0x03], /no room/],
  ['a number above the safe integers', [1, 2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], /too large/],
  ['an entry of an unknown kind', [1, 4, 5, 1, 3, 0, 1, 4, 9, 0], /kind of an entry is unknown/],
  ['a membership without voters', [1, 4, 5, 1, 3, 0, 1, 4, 2, 2, 0, 0], /without voters/],
  ['a membership that ends too early', [1, 4, 5, 1, 3, 0, 1, 4, 2, 1, 1], /ends too early/],
  ['more on disk than received', [1, 8, 1, 1, 5, 5, 6], /more is flushed/],
])('%s is refused', (_, bytes, reason) => {
  expect(() => decodeMessage(Uint8Array.from(bytes))).toThrow(reason)
})
