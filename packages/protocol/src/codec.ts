import { crc32 } from 'node:zlib'
import { WireError } from './errors.ts'
import type { Prepare } from './group-message.ts'
import type { BranchList } from './list.ts'
import type { Message } from './message.ts'
import { message as messageSchema } from './message-schema.ts'
import { MsgpackError, pack, unpack } from './msgpack.ts'

/** A message with the number under which its sender expects an answer; 0 when it expects none. */
export interface Packet {
  readonly request: number
  readonly message: Message
}

/** The version of the protocol that this package speaks. */
const version = 1
/** Version (u8), request (u32), checksum (u32, CRC-32 of request and body); then the message as MessagePack. */
const requestAt = 1
const checksumAt = 5
const bodyAt = 9
const maxFoundLength = 80 // enough to recognize a wrong value in an error, too little to flood a log with it

/** The bytes of a packet. `request` is a whole number below 2^32. */
export function encodePacket({ request, message }: Packet): Uint8Array {
  const body = message.type === 'prepare' ? packPrepare(message) : pack(message)
  const bytes = new Uint8Array(bodyAt + body.length)
  const view = new DataView(bytes.buffer)
  bytes[0] = version
  view.setUint32(requestAt, request)
  bytes.set(body, bodyAt)
  view.setUint32(checksumAt, checksumOf(bytes))
  return bytes
}

/**
 * Reads a packet from a stranger: every field is checked, unknown ones are dropped. Bytes inside the message are views of the
 * input.
 * @throws WireError `malformed-message` or `unsupported-version`; its `request` is known when the checksum was right.
 */
export function decodePacket(bytes: Uint8Array): Packet {
  if (bytes.length <= bodyAt) {
    throw new WireError(
      'malformed-message',
      `A packet has ${bytes.length} bytes, expected more than ${bodyAt}.`,
      undefined,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(checksumAt) !== checksumOf(bytes)) {
    throw new WireError('malformed-message', 'A packet was damaged on its way: its checksum is wrong.', undefined)
  }
  const request = view.getUint32(requestAt)
  if (bytes[0] !== version) {
    throw new WireError(
      'unsupported-version',
      `A message of version ${bytes[0]} arrived, this program speaks version ${version}. Run releases that speak the same version.`,
      request,
    )
  }
  return { request, message: readMessage(bytes.subarray(bodyAt), request) }
}

const packedLists = new WeakMap<BranchList, Uint8Array>()
const listKey = pack('list').slice()
/** A map's token and its count of entries (u16), as `pack` writes every map. */
const mapToken = 0xde
const mapHeaderBytes = 3

/** Each prepare of a transaction carries the same list: it is packed once, else a transaction would cost the square of its branches. */
function packPrepare({ list, ...rest }: Prepare): Uint8Array {
  const packed = packedLists.get(list) ?? pack(list).slice()
  packedLists.set(list, packed)
  const map = pack(rest)
  if (map[0] !== mapToken) throw new Error('Broken invariant: a map is packed otherwise than it was.')
  const body = new Uint8Array(map.length + listKey.length + packed.length)
  body.set(map)
  body.set(listKey, map.length)
  body.set(packed, map.length + listKey.length)
  new DataView(body.buffer).setUint16(mapHeaderBytes - 2, Object.keys(rest).length + 1)
  return body
}

function checksumOf(packet: Uint8Array): number {
  return crc32(packet.subarray(bodyAt), crc32(packet.subarray(requestAt, checksumAt)))
}

function readMessage(body: Uint8Array, request: number): Message {
  let value: unknown
  try {
    value = unpack(body)
  } catch (cause) {
    const why = cause instanceof MsgpackError ? cause.message : String(cause)
    throw new WireError('malformed-message', `A message cannot be read: ${why}.`, request, { cause })
  }
  const checked = messageSchema.safeParse(value)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const path = issue?.path ?? []
  throw new WireError(
    'malformed-message',
    `A message cannot be used: at ${path.join('.') || 'its root'} stands ${describe(at(value, path))}. ${issue?.message}`,
    request,
  )
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  )
}

function describe(found: unknown): string {
  if (found === undefined) return 'nothing'
  if (found instanceof Uint8Array) return `${found.length} bytes`
  if (Array.isArray(found)) return `a list of ${found.length}`
  if (typeof found === 'string') return JSON.stringify(found.slice(0, maxFoundLength))
  if (typeof found === 'number' || typeof found === 'boolean' || typeof found === 'bigint') return `${found}`
  return found === null ? 'null' : 'an object'
}
