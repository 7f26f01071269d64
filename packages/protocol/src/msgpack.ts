import { Packr } from 'msgpackr'

/** Nesting of one value. Deeper data would exhaust the stack of whoever reads it. */
const maxDepth = 64

// `useRecords: false` keeps each value readable on its own and by any MessagePack implementation.
const packr = new Packr({ useRecords: false, mapsAsObjects: true })

/** Bytes that are not plain MessagePack. */
export class MsgpackError extends Error {
  override readonly name = 'MsgpackError'
}

/**
 * Packs plain data. The bytes lie in a buffer that is used again: copy them.
 * @throws Error when the data cannot be packed.
 */
export function pack(value: unknown): Uint8Array {
  return packr.pack(value)
}

/**
 * Unpacks what `pack` packed. Bytes inside it are views of the input.
 * @throws MsgpackError when the bytes are not plain data.
 */
export function unpack(bytes: Uint8Array): unknown {
  checkPlain(bytes)
  return packr.unpack(bytes)
}

/**
 * Checks that bytes are exactly one plain value before anything is built from them: nil, booleans, numbers, strings, bytes,
 * arrays, maps with strings as keys, and of the extensions only `undefined` and timestamps. The library knows many more
 * extensions (regular expressions, errors, references, records that outlive a message); strangers shall not reach them.
 * @throws MsgpackError
 */
export function checkPlain(bytes: Uint8Array): void {
  const end = skipValue(bytes, 0, 0)
  if (end !== bytes.length) throw new MsgpackError(`${bytes.length - end} bytes follow the value`)
}

/** Returns the position after the value that begins at `at`. */
function skipValue(bytes: Uint8Array, at: number, depth: number): number {
  const token = bytes[at]
  if (token === undefined) throw cut()
  const next = at + 1
  if (token <= 0x7f || token >= 0xe0) return next
  if (token <= 0x8f) return skipMap(bytes, next, token & 0x0f, depth)
  if (token <= 0x9f) return skipArray(bytes, next, token & 0x0f, depth)
  if (token <= 0xbf) return skipBytes(bytes, next, token & 0x1f)
  switch (token) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return next
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return skipBytes(bytes, next + 1, readLength(bytes, next, 1))
    case 0xc5: // bin 16
    case 0xda: // str 16
      return skipBytes(bytes, next + 2, readLength(bytes, next, 2))
    case 0xc6: // bin 32
    case 0xdb: // str 32
      return skipBytes(bytes, next + 4, readLength(bytes, next, 4))
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return skipBytes(bytes, next, 1)
    case 0xcd: // uint 16
    case 0xd1: // int 16
      return skipBytes(bytes, next, 2)
    case 0xca: // float 32
    case 0xce: // uint 32
    case 0xd2: // int 32
      return skipBytes(bytes, next, 4)
    case 0xcb: // float 64
    case 0xcf: // uint 64
    case 0xd3: // int 64
      return skipBytes(bytes, next, 8)
    case 0xdc: // array 16
      return skipArray(bytes, next + 2, readLength(bytes, next, 2), depth)
    case 0xdd: // array 32
      return skipArray(bytes, next + 4, readLength(bytes, next, 4), depth)
    case 0xde: // map 16
      return skipMap(bytes, next + 2, readLength(bytes, next, 2), depth)
    case 0xdf: // map 32
      return skipMap(bytes, next + 4, readLength(bytes, next, 4), depth)
    default:
      return skipExtension(bytes, token, next)
  }
}

function skipArray(bytes: Uint8Array, at: number, length: number, depth: number): number {
  if (depth >= maxDepth) throw new MsgpackError(`it is nested deeper than ${maxDepth} levels`)
  let position = at
  for (let item = 0; item < length; item += 1) position = skipValue(bytes, position, depth + 1)
  return position
}

function skipMap(bytes: Uint8Array, at: number, length: number, depth: number): number {
  if (depth >= maxDepth) throw new MsgpackError(`it is nested deeper than ${maxDepth} levels`)
  let position = at
  for (let entry = 0; entry < length; entry += 1) {
    const key = bytes[position]
    if (key === undefined) throw cut()
    const isString = (key >= 0xa0 && key <= 0xbf) || (key >= 0xd9 && key <= 0xdb)
    if (!isString) throw new MsgpackError('a key is not a string')
    position = skipValue(bytes, skipValue(bytes, position, depth + 1), depth + 1)
  }
  return position
}

const undefinedExtension = 0x00
const timestampExtension = 0xff

function skipExtension(bytes: Uint8Array, token: number, at: number): number {
  const type = token === 0xc7 ? bytes[at + 1] : bytes[at]
  if (token === 0xd4 && type === undefinedExtension) return skipBytes(bytes, at, 2)
  if (token === 0xd6 && type === timestampExtension) return skipBytes(bytes, at, 5)
  if (token === 0xd7 && type === timestampExtension) return skipBytes(bytes, at, 9)
  if (token === 0xc7 && bytes[at] === 12 && type === timestampExtension) return skipBytes(bytes, at, 14)
  throw new MsgpackError(`it holds something else than plain data (token 0x${token.toString(16)}, type ${type})`)
}

function skipBytes(bytes: Uint8Array, at: number, length: number): number {
  const end = at + length
  if (end > bytes.length) throw cut()
  return end
}

function readLength(bytes: Uint8Array, at: number, width: 1 | 2 | 4): number {
  let length = 0
  for (let place = at; place < at + width; place += 1) {
    const byte = bytes[place]
    if (byte === undefined) throw cut()
    length = length * 256 + byte
  }
  return length
}

function cut(): MsgpackError {
  return new MsgpackError('it ends too early')
}
