import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeFrame, encodeFrame, maxMessagesPerFrame } from '../src/frame.ts'

const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1, maxLength: 10 })
const frame = fc.record({ countedReply: fc.boolean(), messages })

test('what was framed is read back, wherever the bytes lie', () => {
  fc.assert(
    fc.property(frame, fc.nat(9), (sent, offset) => {
      const encoded = encodeFrame(sent)
      const moved = new Uint8Array(encoded.length + 20)
      moved.set(encoded, offset)
      const read = decodeFrame(moved.subarray(offset, offset + encoded.length))
      expect(read?.countedReply).toBe(sent.countedReply)
      expect(read?.messages.map((message) => [...message])).toEqual(sent.messages.map((message) => [...message]))
    }),
  )
})

test('a frame that was cut anywhere is none, or one of its first messages', () => {
  fc.assert(
    fc.property(frame, fc.nat(), (sent, place) => {
      const encoded = encodeFrame(sent)
      const read = decodeFrame(encoded.subarray(0, place % encoded.length))
      if (read !== undefined) expect(read.messages).toEqual(sent.messages.slice(0, read.messages.length).map(toBuffer))
    }),
  )
})

test('whatever a frame was changed into, reading it ends in a frame of exactly these bytes or in none', () => {
  fc.assert(
    fc.property(frame, fc.nat(), fc.nat(255), (sent, place, value) => {
      const changed = encodeFrame(sent)
      changed[place % changed.length] = value
      const read = decodeFrame(changed)
      if (read !== undefined) expect(encodeFrame(read)).toEqual(changed)
    }),
    { numRuns: 1000 },
  )
})

test('any bytes are read without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const read = decodeFrame(bytes)
      if (read !== undefined) expect([...encodeFrame(read)]).toEqual([...bytes])
    }),
    { numRuns: 1000 },
  )
})

test('a frame has a bounded number of messages', () => {
  const empty = (length: number): Uint8Array[] => Array.from({ length }, () => new Uint8Array(0))
  const countedReply = false
  expect(decodeFrame(encodeFrame({ countedReply, messages: empty(maxMessagesPerFrame) }))).toBeDefined()
  expect(decodeFrame(encodeFrame({ countedReply, messages: empty(maxMessagesPerFrame + 1) }))).toBeUndefined()
})

function toBuffer(message: Uint8Array): Buffer {
  return Buffer.from(message)
}
