import type { ByteReader, ByteWriter } from './bytes.ts'
import { MalformedMessageError } from './errors.ts'
import { decodeMembership, encodeMembership } from './membership.ts'
import type { LogIndex, SnapshotChunk, SnapshotReply, Term } from './message.ts'
import type { SnapshotHeader } from './snapshot-header.ts'
import { encodeValues, readValues, valuesBytes } from './snapshot-values.ts'
import { isSpaceKey } from './space.ts'

/** More than a chunk needs besides its values: sixteen ids of replicas, and a key. */
export const maxChunkHeaderBytes = 2048

export function chunkBytes({ values }: SnapshotChunk): number {
  return maxChunkHeaderBytes + valuesBytes(values)
}

export function writeChunk(writer: ByteWriter, { header, after, values, checksum, done }: SnapshotChunk): void {
  const { index, term, membership } = header
  writer.number(index).number(term).number(membership.index).bytes(encodeMembership(membership))
  writePosition(writer, after)
  writer
    .bytes(encodeValues(values))
    .number(checksum)
    .byte(done ? 1 : 0)
}

export function readChunk(reader: ByteReader, term: Term): SnapshotChunk {
  const header = readHeader(reader)
  if (header.term > term) throw new MalformedMessageError('its snapshot is of a term above the sender\u2019s')
  const after = readPosition(reader)
  const body = reader.part()
  const values = readValues(body, after)
  body.end()
  return { kind: 'snapshotChunk', term, header, after, values, checksum: reader.number(), done: reader.byte() === 1 }
}

export function writeSnapshotReply(
  writer: ByteWriter,
  { index, snapshotTerm, position, checksum }: SnapshotReply,
): void {
  writer.number(index).number(snapshotTerm)
  writePosition(writer, position)
  writer.number(checksum)
}

export function readSnapshotReply(reader: ByteReader, term: Term): SnapshotReply {
  const index = reader.number() as LogIndex
  const snapshotTerm = reader.number() as Term
  const position = readPosition(reader)
  return { kind: 'snapshotReply', term, index, snapshotTerm, position, checksum: reader.number() }
}

function readHeader(reader: ByteReader): SnapshotHeader {
  const index = reader.number() as LogIndex
  const term = reader.number() as Term
  const membershipIndex = reader.number() as LogIndex
  const membership = { index: membershipIndex, ...decodeMembership(reader.bytes()) }
  if (index === 0 || term === 0) throw new MalformedMessageError('its snapshot is of no entry')
  if (membershipIndex > index) throw new MalformedMessageError('its snapshot has a membership from after it')
  return { index, term, membership }
}

function writePosition(writer: ByteWriter, position: string): void {
  writer.bytes(Buffer.from(position, 'latin1'))
}

function readPosition(reader: ByteReader): string {
  const position = Buffer.from(reader.bytes()).toString('latin1')
  if (position !== '' && !isSpaceKey(position)) throw new MalformedMessageError('its position is no key')
  return position
}
