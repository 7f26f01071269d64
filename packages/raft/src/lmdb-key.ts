import type { RecordName } from './medium.ts'
import type { LogIndex } from './message.ts'

// All keys of a store, by their first byte. The space's first generation lies under S, as it did before there were others.
const logPrefix = 'L'
const firstGenerationPrefix = 'S'
const generationPrefix = 'G'
const afterAllKeys = Buffer.from([0xff])

export const recordKeys: Readonly<Record<RecordName, Buffer>> = {
  identity: Buffer.from('I'),
  state: Buffer.from('H'),
  base: Buffer.from('B'),
  runs: Buffer.from('R'),
  staged: Buffer.from('N'),
}

export function logKey(index: number): Buffer {
  const key = Buffer.allocUnsafe(9)
  key.write(logPrefix, 'latin1')
  key.writeUInt32BE(Math.floor(index / 2 ** 32), 1)
  key.writeUInt32BE(index % 2 ** 32, 5)
  return key
}

export function indexOf(key: Buffer): LogIndex {
  return (key.readUInt32BE(1) * 2 ** 32 + key.readUInt32BE(5)) as LogIndex
}

/** What the keys of one generation of the space begin with: characters of one byte each. */
export function spacePrefix(generation: number): string {
  if (generation === 0) return firstGenerationPrefix
  const byte = (shift: number): number => (generation >>> shift) & 0xff
  return generationPrefix + String.fromCharCode(byte(24), byte(16), byte(8), byte(0))
}

export function spaceKey(prefix: string, key: string): Buffer {
  return Buffer.from(prefix + key, 'latin1')
}

export function nameOf(prefix: string, key: Buffer): string {
  return key.toString('latin1', prefix.length)
}

/** After every key that begins so. */
export function endOf(prefix: Buffer): Buffer {
  return Buffer.concat([prefix, afterAllKeys])
}

/** All keys of generations from one on, which is not the first. */
export function generationsFrom(generation: number): { readonly start: Buffer; readonly end: Buffer } {
  return { start: spaceKey(spacePrefix(generation), ''), end: endOf(Buffer.from(generationPrefix)) }
}

export function generationOf(key: Buffer): number {
  return key.readUInt32BE(1)
}
