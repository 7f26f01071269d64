import { decodeMembership, type Membership } from '../src/membership.ts'
import type { Entry, Message } from '../src/message.ts'
import type { RaftEvent } from '../src/notice.ts'
import type { SnapshotHeader } from '../src/snapshot-header.ts'
import type { SpaceValues } from '../src/snapshot-values.ts'

// How transcripts show what happens: one line each.

export function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${entry.index}:${entry.term} ${describeEntry(entry)}`).join(', ')
}

function describeEntry({ kind, command }: Entry): string {
  if (kind === 'noop') return kind
  return kind === 'members' ? describeMembership(decodeMembership(command)) : Buffer.from(command).toString()
}

export function describeMembership({ voters, learners }: Membership): string {
  const learning = learners.length === 0 ? '' : ` learners ${learners.join(' ')}`
  return voters.length === 0 ? 'nobody' : `voters ${voters.join(' ')}${learning}`
}

export function describeValues(values: SpaceValues): string {
  return values.map(([key, value]) => `${key}=${Buffer.from(value).toString()}`).join(' ')
}

export function describeHeader({ index, term, membership }: SnapshotHeader): string {
  return `snapshot ${index}:${term} of ${describeMembership(membership)}`
}

export function describeMessage(message: Message): string {
  if (message.kind === 'snapshotChunk') {
    const { term, header, after, values, done } = message
    const end = done ? ' done' : ''
    return `snapshotChunk term ${term} ${describeHeader(header)} after "${after}" [${describeValues(values)}]${end}`
  }
  if (message.kind === 'snapshotReply') {
    const { term, index, snapshotTerm, position } = message
    return `snapshotReply term ${term} snapshot ${index}:${snapshotTerm} position "${position}"`
  }
  const { kind, term, ...rest } = message
  const fields = Object.entries(rest)
    .filter(([name, value]) => name !== 'isTransfer' || value === true)
    .map(([name, value]) =>
      Array.isArray(value) ? `[${describeEntries(value as Entry[])}]` : `${name} ${String(value)}`,
    )
  return `${kind} term ${term} ${fields.join(' ')}`.trim()
}

/** Undefined for what a scene shows by other lines. */
export function describeEvent(event: RaftEvent): string | undefined {
  switch (event.kind) {
    case 'becameLeader':
      return `is ready to serve term ${event.term}`
    case 'lostQuorum':
      return `hears no majority in term ${event.term}`
    case 'transferred':
      return `has handed over to ${event.leader}`
    case 'membershipChanged':
      return `has for good ${describeMembership(event)}`
    case 'removed':
      return 'is removed'
    case 'snapshotSent':
      return `has sent snapshot ${event.index} to ${event.to}`
    case 'snapshotInstalled':
      return `has installed snapshot ${event.index}:${event.term}`
    case 'disbelieved':
      return `does not believe ${event.replica}: ${event.why}`
    default:
      return undefined
  }
}
