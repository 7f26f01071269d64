import { crc32 } from 'node:zlib'
import { type ByteReader, ByteWriter } from './bytes.ts'
import { MalformedMessageError } from './errors.ts'
import { isSpaceKey } from './space.ts'

/** Values of the space, in the order of their keys. */
export type SpaceValues = readonly (readonly [key: string, value: Uint8Array])[]

/** What a value costs in a chunk beside key and value, generously. */
export const valueOverheadBytes = 16

export function valuesBytes(values: SpaceValues): number {
  return values.reduce((bytes, [key, value]) => bytes + key.length + value.length + valueOverheadBytes, 0)
}

export function encodeValues(values: SpaceValues): Uint8Array {
  const writer = new ByteWriter(valuesBytes(values) + valueOverheadBytes).number(values.length)
  for (const [key, value] of values) writer.bytes(Buffer.from(key, 'latin1')).bytes(value)
  return writer.written()
}

/** @throws MalformedMessageError when they are none that can follow the key `after`. */
export function readValues(reader: ByteReader, after: string): SpaceValues {
  const count = reader.number()
  if (count > reader.remaining) throw new MalformedMessageError(`it has no room for ${count} values`)
  const values: (readonly [string, Uint8Array])[] = []
  let last = after
  for (let place = 0; place < count; place++) {
    const key = Buffer.from(reader.bytes()).toString('latin1')
    if (key <= last || !isSpaceKey(key)) throw new MalformedMessageError('the keys of its values are out of order')
    values.push([key, reader.bytes()])
    last = key
  }
  return values
}

/** Checksum over the values of a snapshot up to here, given the one before these: one that is missing or twice is noticed. */
export function checksumAfter(checksum: number, values: SpaceValues): number {
  return crc32(encodeValues(values), checksum)
}
