import { ByteReader, ByteWriter } from './bytes.ts'
import { decodeEntry, readEntry, writeEntry } from './codec.ts'
import { MalformedMessageError } from './errors.ts'
import { entryBytes, plus } from './log.ts'
import type { MediumView } from './medium.ts'
import type { Entry, LogIndex } from './message.ts'
import { damaged } from './record.ts'

// Entries that are written together lie together: a key and a value for each would cost more than all that they hold. A block lies
// under the index of its last entry, so that the first key at or after an index is the block that holds it.

/** First byte of a block. An entry that lies alone, as stores of version 1 and 2 have them, begins with 1. */
const blockVersion = 2
const singleVersion = 1

/** Entries of one block: whoever reads one entry reads its block. */
export const maxBlockEntries = 64
/** Bytes of one block, a larger entry apart: a change of the log in its middle writes what stays of it again. */
export const maxBlockBytes: number = 16 * 1024

/** Cuts consecutive entries into blocks. */
export function* blocksOf(entries: readonly Entry[]): Iterable<readonly Entry[]> {
  let begin = 0
  let bytes = 0
  for (const [place, entry] of entries.entries()) {
    const size = entryBytes(entry)
    if (place > begin && (place - begin === maxBlockEntries || bytes + size > maxBlockBytes)) {
      yield entries.slice(begin, place)
      begin = place
      bytes = 0
    }
    bytes += size
  }
  if (begin < entries.length) yield entries.slice(begin)
}

/** A block as it lies on disk; its place is the key that it lies under. */
export function encodeBlock(entries: readonly Entry[]): Uint8Array {
  const size = entries.reduce((bytes, entry) => bytes + entryBytes(entry), blockHeaderBytes)
  const writer = new ByteWriter(size).byte(blockVersion).number(entries.length)
  for (const entry of entries) writeEntry(writer, entry)
  return writer.written()
}

const blockHeaderBytes = 8

/**
 * The entries of a block whose last one has the index `last`.
 * @throws MalformedMessageError when it is no block, or none of these versions.
 */
export function decodeBlock(bytes: Uint8Array, last: LogIndex): readonly Entry[] {
  if (bytes[0] === singleVersion) return [decodeEntry(bytes, last)]
  const reader = new ByteReader(bytes)
  const found = reader.byte()
  if (found !== blockVersion) {
    throw new MalformedMessageError(`its version is ${found}, this program reads ${singleVersion} and ${blockVersion}`)
  }
  const count = reader.number()
  if (count === 0 || count > last) throw new MalformedMessageError(`${count} entries cannot end at index ${last}`)
  const entries: Entry[] = []
  for (let index = plus(last, 1 - count); index <= last; index = plus(index, 1)) entries.push(readEntry(reader, index))
  reader.end()
  return entries
}

/**
 * Entries of the log on disk in `[from, to]`, in order, as far as they are there.
 * @throws StoreError `damaged` when one is not what was written.
 */
export function* entriesIn(view: MediumView, from: LogIndex, to: LogIndex): Iterable<Entry> {
  for (const [last, bytes] of view.blocks(from, plus(to, maxBlockEntries - 1))) {
    for (const entry of readBlock(view, last, bytes)) {
      if (entry.index > to) return
      if (entry.index >= from) yield entry
    }
  }
}

/** What of the block that holds `index` lies before it. */
export function headOf(view: MediumView, index: LogIndex): readonly Entry[] {
  const [block] = view.blocks(index, plus(index, maxBlockEntries - 1))
  return block === undefined ? [] : readBlock(view, ...block).filter((entry) => entry.index < index)
}

function readBlock(view: MediumView, last: LogIndex, bytes: Uint8Array): readonly Entry[] {
  try {
    return decodeBlock(bytes, last)
  } catch (cause) {
    throw damaged(view.place, `the block of entries up to ${last}`, cause)
  }
}
