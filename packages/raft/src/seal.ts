import { crc32 } from 'node:zlib'

/** Puts a checksum before a value; over the key too where values could be swapped. */
export function seal(value: Uint8Array, key?: Buffer): Buffer {
  const sealed = Buffer.allocUnsafe(4 + value.length)
  sealed.set(value, 4)
  sealed.writeUInt32BE(checksumOf(value, key))
  return sealed
}

/** The value that was sealed; undefined when the checksum is not its own. */
export function unseal(sealed: Buffer, key?: Buffer): Buffer | undefined {
  if (sealed.length < 4) return undefined
  const value = sealed.subarray(4)
  return sealed.readUInt32BE() === checksumOf(value, key) ? value : undefined
}

function checksumOf(value: Uint8Array, key: Buffer | undefined): number {
  return crc32(value, key === undefined ? 0 : crc32(key))
}
