import { crc32 } from 'node:zlib'
import {
  decodePacket,
  digestOf,
  encodePacket,
  type Message,
  operationsHash,
  type Payload,
  parseId,
  participantName,
  sealList,
  WireError,
} from '@verdict/protocol'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { MsgpackError } from '../src/msgpack.ts'
import { calledBranches, ids, operations, sealed, tokens } from './arbitrary.ts'
import { messages } from './messages.ts'

const packr = new Packr({ useRecords: false })
const requests = fc.nat(0xffff_ffff)
const anyMessage = fc.oneof(...Object.values(messages)) as fc.Arbitrary<Message>
const anyPacket = fc.record({ request: requests, message: anyMessage }).map(encodePacket)

/** A packet with a right checksum around any body. */
function packet(body: Uint8Array, { version = 1, request = 7 } = {}): Uint8Array {
  const bytes = Buffer.alloc(9 + body.length)
  bytes[0] = version
  bytes.writeUInt32BE(request, 1)
  bytes.set(body, 9)
  bytes.writeUInt32BE(crc32(body, crc32(bytes.subarray(1, 5))), 5)
  return new Uint8Array(bytes)
}

function refusal(bytes: Uint8Array): WireError {
  try {
    decodePacket(bytes)
  } catch (error) {
    if (error instanceof WireError) return error
    throw error
  }
  throw new Error('the packet was accepted')
}

function refusalOf(message: object): string {
  const error = refusal(packet(packr.pack(message)))
  expect(error.code).toBe('malformed-message')
  expect(error.request).toBe(7)
  return error.message
}

/** One example of a message, the same on each run. */
function example<T extends object>(type: Message['type']): T {
  const [one] = fc.sample(messages[type] as fc.Arbitrary<T>, { numRuns: 1, seed: 1 })
  if (one === undefined) throw new Error('no example')
  return one
}

describe('a packet', () => {
  test.each(Object.entries(messages))('with a message %s is read back', (_, arbitrary) => {
    fc.assert(
      fc.property(requests, arbitrary as fc.Arbitrary<Message>, (request, message) => {
        expect(decodePacket(encodePacket({ request, message }))).toEqual({ request, message })
      }),
    )
  })

  test('cut off anywhere is refused', () => {
    fc.assert(
      fc.property(anyPacket, (bytes) => {
        for (let length = 0; length < bytes.length; length += 1) {
          expect(refusal(bytes.subarray(0, length))).toMatchObject({ code: 'malformed-message', request: undefined })
        }
      }),
      { numRuns: 20 },
    )
  })

  test('with any single bit turned is refused', () => {
    fc.assert(
      fc.property(anyPacket, (bytes) => {
        for (let bit = 0; bit < bytes.length * 8; bit += 1) {
          const damaged = new Uint8Array(bytes)
          damaged[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
          expect(refusal(damaged).code).toBe(bit < 8 ? 'unsupported-version' : 'malformed-message')
        }
      }),
      { numRuns: 10 },
    )
  })

  test('of random bytes is refused', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => refusal(bytes).request === undefined))
  })

  test('of a later version is refused by name, and its request can be answered', () => {
    const error = refusal(packet(packr.pack({ type: 'hello' }), { version: 2, request: 9 }))
    expect(error).toMatchObject({ code: 'unsupported-version', request: 9 })
  })

  test('whose body is any bytes at all is refused, and its request can be answered', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (body) => {
        expect(refusal(packet(body))).toMatchObject({ code: 'malformed-message', request: 7 })
      }),
    )
  })
})

describe('a message', () => {
  test('with any one field taken away or replaced is refused, or read as one without that field', () => {
    fc.assert(
      fc.property(anyMessage, fc.constantFrom(null, -1, 'no such thing', {}, [null]), (message, wrong) => {
        for (const field of Object.keys(message)) {
          const { [field]: _, ...rest } = message as unknown as Record<string, unknown>
          try {
            expect(decodePacket(packet(packr.pack(rest))).message).toEqual(rest)
          } catch (error) {
            expect(error).toBeInstanceOf(WireError)
          }
          // Texts for people may be any text.
          if (wrong === 'no such thing' && ['message', 'note', 'operation', 'code', 'version'].includes(field)) continue
          refusalOf({ ...message, [field]: wrong })
        }
      }),
      { numRuns: 50 },
    )
  })

  test('with unknown fields is read without them', () => {
    const hello = packet(packr.pack({ type: 'hello', later: 1 }))
    expect(decodePacket(hello).message).toEqual({ type: 'hello' })
  })

  test('names in its refusal the place, what was found and what was expected', () => {
    const message = example<{ vote: object }>('vote')
    const text = refusalOf({ ...message, vote: { kind: 'busy', instance: 'X', found: 'nothing' } })
    expect(text).toContain('vote.instance')
    expect(text).toContain('"X"')
    expect(text).toContain('20 characters')
  })

  test('with another digest than that of id and list is refused', () => {
    for (const type of ['alone', 'commit', 'abort', 'prepare'] as const) {
      const message = example<{ digest: string }>(type)
      expect(refusalOf({ ...message, digest: 'a'.repeat(26) })).toContain('digest')
    }
  })

  test('with a list that is not sealed is refused', () => {
    fc.assert(
      fc.property(sealed, ({ id, list, digest }) => {
        fc.pre(list.length > 1)
        const prepare = { type: 'prepare', id, digest, leftMs: 1, term: 1, horizon: 0 }
        expect(refusalOf({ ...prepare, list: list.toReversed() })).toContain('not sorted')
        expect(refusalOf({ ...prepare, list: [...list, list.at(-1)] })).toContain('twice')
      }),
    )
  })

  test('with operations that the list does not bind is refused', () => {
    fc.assert(
      fc.property(ids, operations, operations, (id, own, others) => {
        fc.pre(operationsHash(own) !== operationsHash(others))
        const list = sealList(
          ['payments', 'stock'].map((name) => ({
            kind: 'oneShot',
            participant: participantName(name),
            operations: operationsHash(own),
          })),
        )
        const bound = { id, list, digest: digestOf(id, list), leftMs: 1 }
        const commit = { type: 'commit', ...bound, wait: 'decided' }
        expect(decodePacket(packet(packr.pack({ ...commit, operations: [own, own] }))).request).toBe(7)
        expect(refusalOf({ ...commit, operations: [own, others] })).toContain('operations')
        expect(refusalOf({ ...commit, operations: [own] })).toContain('operations')
        expect(refusalOf({ type: 'prepare', ...bound, term: 1, horizon: 0, operations: others })).toContain(
          'operations',
        )
      }),
    )
  })

  test('for a group names two branches or more, but under an id that is kept, and one for a participant alone', () => {
    fc.assert(
      fc.property(ids, calledBranches, (id, branches) => {
        const bound = (count: number) => {
          const list = sealList(branches.slice(0, count))
          return { id, list, digest: digestOf(id, list), leftMs: 1 }
        }
        const isKept = parseId(id).mark === 'kept'
        const groups = (count: number) => [
          { type: 'commit', ...bound(count), wait: 'decided' },
          { type: 'abort', ...bound(count), reason: { code: 'given-up', message: 'No.', retryable: true } },
          { type: 'prepare', ...bound(count), term: 1, horizon: 0 },
        ]
        const participants = (count: number) => ({ type: 'alone', ...bound(count), again: false })
        for (const message of [...groups(2), ...(isKept ? groups(1) : [participants(1)])]) {
          expect(decodePacket(packet(packr.pack(message))).request).toBe(7)
        }
        for (const message of [participants(2), ...(isKept ? [participants(1)] : groups(1))]) {
          expect(refusalOf(message)).toContain('list')
        }
      }),
    )
  })

  test('of a first call has no token, and of a later one has it', () => {
    const [token] = fc.sample(tokens(), 1)
    const { token: _, ...call } = example<{ token?: string }>('call')
    expect(refusalOf({ ...call, n: 1, token })).toContain('token')
    expect(refusalOf({ ...call, n: 2 })).toContain('token')
  })

  test('beyond its limits is refused before its items are looked at', () => {
    const items = Array.from({ length: 200_000 }, () => 0)
    expect(refusalOf({ type: 'look', ids: items })).toContain('a list of 200000')
    const call = example<object>('call')
    expect(refusalOf({ ...call, args: new Uint8Array(64 * 1024 + 1) as Payload })).toContain('65537 bytes')
  })
})

describe('a hostile body', () => {
  test.each([
    ['nested deeper than any message', Buffer.concat([Buffer.alloc(100_000, 0x91), Buffer.from([0xc0])])],
    [
      'of maps nested deeper than any message',
      Buffer.concat([...Array.from({ length: 5000 }, () => Buffer.from([0x81, 0xa1, 0x61])), Buffer.from([0xc0])]),
    ],
    ['that declares four billion items', Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0])],
    ['that declares four billion entries', Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61, 0xc0])],
    ['that declares four gigabytes', Buffer.from([0xc6, 0xff, 0xff, 0xff, 0xff, 0xc0])],
    ['that defines a record', Buffer.from([0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01])],
    ['that is a regular expression', new Packr({ moreTypes: true }).pack(/(a+)+$/)],
    ['that is an error', new Packr({ moreTypes: true }).pack(new Error('x'))],
    ['that refers to a value elsewhere', Buffer.from([0xd6, 0x70, 0, 0, 0, 1])],
    ['that has something behind it', Buffer.from([0x80, 0x80])],
    ['with a key that is no text', Buffer.from([0x81, 0x01, 0x01])],
    [
      'with a regular expression in a field that nobody reads',
      new Packr({ useRecords: false, moreTypes: true }).pack({ type: 'hello', later: /(a+)+$/ }),
    ],
  ])('%s is refused before anything is built from it, and the next packet is read as ever', (_, body) => {
    const error = refusal(packet(body))
    expect(error).toMatchObject({ code: 'malformed-message', request: 7 })
    expect(error.message).toContain('cannot be read')
    expect(error.cause).toBeInstanceOf(MsgpackError)
    expect(decodePacket(packet(packr.pack({ type: 'hello' }))).message).toEqual({ type: 'hello' })
  })

  test('that names a prototype reaches none', () => {
    const body = Buffer.concat([
      Buffer.from([0x82]),
      packr.pack('type'),
      packr.pack('hello'),
      packr.pack('__proto__'),
      packr.pack({ hostile: true }),
    ])
    const { message } = decodePacket(packet(body))
    expect(message).toEqual({ type: 'hello' })
    expect('hostile' in message).toBe(false)
    expect('hostile' in {}).toBe(false)
  })
})
