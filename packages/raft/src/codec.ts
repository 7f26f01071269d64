import { ByteReader, ByteWriter } from './bytes.ts'
import { MalformedMessageError } from './errors.ts'
import { entryBytes } from './log.ts'
import { decodeMembership } from './membership.ts'
import type { Append, AppendRefusal, AppendReply, Entry, HeartbeatReply, LogIndex, Message, Term } from './message.ts'
import type { Starts } from './peer-starts.ts'
import { chunkBytes, readChunk, readSnapshotReply, writeChunk, writeSnapshotReply } from './snapshot-codec.ts'

/** First byte of every message, and of an entry that lies alone on disk. */
const version = 1
/** More than any message needs besides its entries. */
export const maxHeaderBytes = 64

/** As somebody says who has not counted yet, and has heard nobody. */
const unknownStarts: Starts = { own: 0, heard: 0 }

/** A kind's byte on the wire is its place here. New kinds come at the end. */
const kinds = [
  'requestPreVote',
  'preVoteReply',
  'requestVote',
  'voteReply',
  'append',
  'appendReply',
  'appendRefusal',
  'heartbeat',
  'heartbeatReply',
  'timeoutNow',
  'snapshotChunk',
  'snapshotReply',
] as const satisfies readonly Message['kind'][]

/** An entry's byte is its place here. New kinds come at the end. */
const entryKinds = ['noop', 'command', 'members'] as const satisfies readonly Entry['kind'][]

/** @param starts go behind the message: what else is there must be read before they mean anything */
export function encodeMessage(message: Message, { own, heard }: Starts = unknownStarts): Uint8Array {
  const writer = new ByteWriter(sizeHint(message)).byte(version).byte(kinds.indexOf(message.kind)).number(message.term)
  writeBody(writer, message)
  return writer.number(own).number(heard).written()
}

function sizeHint(message: Message): number {
  if (message.kind === 'append')
    return message.entries.reduce((bytes, entry) => bytes + entryBytes(entry), maxHeaderBytes)
  return message.kind === 'snapshotChunk' ? chunkBytes(message) : maxHeaderBytes
}

function writeBody(writer: ByteWriter, message: Message): void {
  switch (message.kind) {
    case 'requestPreVote':
      writer.number(message.lastIndex).number(message.lastTerm)
      return
    case 'requestVote':
      writer
        .number(message.lastIndex)
        .number(message.lastTerm)
        .byte(message.isTransfer ? 1 : 0)
      return
    case 'preVoteReply':
    case 'voteReply':
      writer.byte(message.granted ? 1 : 0)
      return
    case 'append':
      writer.number(message.prevIndex).number(message.prevTerm).number(message.commitIndex)
      writer.number(message.entries.length)
      for (const entry of message.entries) writeEntry(writer, entry)
      return
    case 'appendReply':
      writer.number(message.receivedIndex).number(message.matchIndex)
      return
    case 'appendRefusal':
      writer.number(message.prevIndex).number(message.hintIndex).number(message.hintTerm)
      return
    case 'heartbeat':
      writer.number(message.commitIndex).number(message.round).number(message.sentIndex)
      writer.number(message.matchIndex)
      return
    case 'heartbeatReply':
      writer.number(message.round).number(message.sentIndex)
      writer.number(message.receivedIndex).number(message.matchIndex)
      return
    case 'timeoutNow':
      return
    case 'snapshotChunk':
      writeChunk(writer, message)
      return
    case 'snapshotReply':
      writeSnapshotReply(writer, message)
      return
  }
}

/**
 * Reads a message as a stranger's. What it holds keeps no hold of `payload`.
 * @throws MalformedMessageError when it is none, or none of this version.
 */
export function decodeMessage(payload: Uint8Array): Message {
  return decodeEnvelope(payload).message
}

/** As `decodeMessage`, with what goes along. */
export function decodeEnvelope(payload: Uint8Array): { readonly message: Message; readonly starts: Starts } {
  const reader = new ByteReader(new Uint8Array(payload)) // a copy, also where `slice` would give a view, as a Buffer's does
  checkVersion(reader)
  const kind = kinds[reader.byte()]
  if (kind === undefined) throw new MalformedMessageError('its kind is unknown')
  const message = readBody(reader, kind, reader.number() as Term)
  const starts = { own: reader.number(), heard: reader.number() }
  reader.end()
  return { message, starts }
}

function readBody(reader: ByteReader, kind: Message['kind'], term: Term): Message {
  switch (kind) {
    case 'requestPreVote':
      return { kind, term, lastIndex: readIndex(reader), lastTerm: reader.number() as Term }
    case 'requestVote': {
      const lastIndex = readIndex(reader)
      return { kind, term, lastIndex, lastTerm: reader.number() as Term, isTransfer: readFlag(reader) }
    }
    case 'preVoteReply':
    case 'voteReply':
      return { kind, term, granted: readFlag(reader) }
    case 'append':
      return readAppend(reader, term)
    case 'appendReply':
      return { kind, term, ...readHolding(reader) }
    case 'appendRefusal':
      return readRefusal(reader, term)
    case 'heartbeat': {
      const commitIndex = readIndex(reader)
      const round = reader.number()
      return { kind, term, commitIndex, round, sentIndex: readIndex(reader), matchIndex: readIndex(reader) }
    }
    case 'heartbeatReply':
      return readHeartbeatReply(reader, term)
    case 'timeoutNow':
      return { kind, term }
    case 'snapshotChunk':
      return readChunk(reader, term)
    case 'snapshotReply':
      return readSnapshotReply(reader, term)
  }
}

function readAppend(reader: ByteReader, term: Term): Append {
  const prevIndex = readIndex(reader)
  const prevTerm = reader.number() as Term
  const commitIndex = readIndex(reader)
  const count = reader.number()
  if (count > reader.remaining) throw new MalformedMessageError(`it has no room for ${count} entries`)
  const entries: Entry[] = []
  let lastTerm = prevTerm
  for (let place = 1; place <= count; place++) {
    const entry = readEntry(reader, (prevIndex + place) as LogIndex)
    if (entry.term < lastTerm) throw new MalformedMessageError('the terms of its entries go back')
    lastTerm = entry.term
    entries.push(entry)
  }
  if (lastTerm > term) throw new MalformedMessageError('an entry is of a term above the sender\u2019s')
  if ((prevIndex === 0) !== (prevTerm === 0)) throw new MalformedMessageError('index and term do not belong together')
  return { kind: 'append', term, prevIndex, prevTerm, entries, commitIndex }
}

function readRefusal(reader: ByteReader, term: Term): AppendRefusal {
  const prevIndex = readIndex(reader)
  const hintIndex = readIndex(reader)
  if (hintIndex >= prevIndex) throw new MalformedMessageError('its hint does not lie before what it refuses')
  return { kind: 'appendRefusal', term, prevIndex, hintIndex, hintTerm: reader.number() as Term }
}

function readHeartbeatReply(reader: ByteReader, term: Term): HeartbeatReply {
  const round = reader.number()
  const sentIndex = readIndex(reader)
  return { kind: 'heartbeatReply', term, round, sentIndex, ...readHolding(reader) }
}

/** What a follower has of the leader's log. */
function readHolding(reader: ByteReader): Pick<AppendReply, 'receivedIndex' | 'matchIndex'> {
  const receivedIndex = readIndex(reader)
  const matchIndex = readIndex(reader)
  if (matchIndex > receivedIndex) throw new MalformedMessageError('more is flushed than was received')
  return { receivedIndex, matchIndex }
}

function readIndex(reader: ByteReader): LogIndex {
  return reader.number() as LogIndex
}

function readFlag(reader: ByteReader): boolean {
  const value = reader.byte()
  if (value > 1) throw new MalformedMessageError(`${value} stands for neither yes nor no`)
  return value === 1
}

function checkVersion(reader: ByteReader): void {
  const found = reader.byte()
  if (found !== version) throw new MalformedMessageError(`its version is ${found}, this program reads ${version}`)
}

/** An entry, whose index is told by where it lies. */
export function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.number(entry.term).byte(entryKinds.indexOf(entry.kind)).bytes(entry.command)
}

/** @throws MalformedMessageError when it is no entry. */
export function readEntry(reader: ByteReader, index: LogIndex): Entry {
  const term = reader.number() as Term
  const kind = entryKinds[reader.byte()]
  if (kind === undefined) throw new MalformedMessageError('the kind of an entry is unknown')
  const command = reader.bytes()
  if (kind === 'members') decodeMembership(command)
  return { term, index, kind, command }
}

/**
 * Reads an entry that lies alone on disk, as those of a store of version 1 or 2 do; its index is the key that it lies under.
 * @throws MalformedMessageError when it is no entry, or none of this version.
 */
export function decodeEntry(bytes: Uint8Array, index: LogIndex): Entry {
  const reader = new ByteReader(bytes)
  checkVersion(reader)
  const entry = readEntry(reader, index)
  reader.end()
  return entry
}
