import type { Decision, ParticipantName, ReportedHazard, Resolution, TransactionId } from '@verdict/protocol'
import { Packr } from 'msgpackr'

/** What the group's log replicates, besides Raft's own entries. */
export type Command =
  /** Decides a transaction, if it is the first one applied for its id (rule R1). */
  | { readonly kind: 'decide'; readonly decision: Decision }
  /** Every branch of these has acknowledged its outcome (rule R10: one entry for many). */
  | { readonly kind: 'settled'; readonly ids: readonly TransactionId[] }
  /** Moves the epoch by one, and the horizon so far behind it, and forgets what that allows, as far as one entry goes (rule R11). */
  | { readonly kind: 'advance'; readonly keptEpochs: number }
  /** Forgets more of what lies behind the horizon. */
  | { readonly kind: 'forget' }
  /** A participant could not honour the outcome (rule R16). */
  | {
      readonly kind: 'hazard'
      readonly id: TransactionId
      readonly participant: ParticipantName
      readonly hazard: ReportedHazard
      readonly note: string
    }
  /** An operator has dealt with the participant's branch by hand (rule R16). */
  | {
      readonly kind: 'resolve'
      readonly id: TransactionId
      readonly participant: ParticipantName
      readonly resolution: Resolution
    }
  /** An operator lets a participant roll back a quarantined branch, of which the group has no outcome (rules R13, R16). */
  | {
      readonly kind: 'release'
      readonly id: TransactionId
      readonly participant: ParticipantName
      readonly resolution: Resolution
    }

/** Most ids in one `settled`: the entry stays near 100 KiB with the longest ids. */
export const maxSettledIds = 512

const version = 1
const kinds: ReadonlySet<Command['kind']> = new Set([
  'decide',
  'settled',
  'advance',
  'forget',
  'hazard',
  'resolve',
  'release',
])
const packr = new Packr({ useRecords: false })

/** A command of the log that this version cannot read. The replica must stop: to guess would be to diverge. */
export class UnreadableCommandError extends Error {
  override readonly name = 'UnreadableCommandError'
  readonly code = 'unreadable-command'
}

export function encodeCommand(command: Command): Uint8Array {
  const body = packr.pack(command)
  const bytes = new Uint8Array(body.length + 1)
  bytes[0] = version
  bytes.set(body, 1)
  return bytes
}

/** @throws UnreadableCommandError for a command of another version or of a kind that this one does not know. */
export function decodeCommand(bytes: Uint8Array): Command {
  if (bytes[0] !== version) throw unreadable(`version ${bytes[0]}, this replica reads version ${version}`)
  // The log is checksummed and written by replicas alone, so that its content is trusted once version and kind fit.
  const command = packr.unpack(bytes.subarray(1)) as Command
  if (!kinds.has(command.kind)) throw unreadable(`the unknown kind ${JSON.stringify(command.kind)}`)
  return command
}

function unreadable(found: string): UnreadableCommandError {
  return new UnreadableCommandError(`The log holds a command of ${found}. Start the newer release here.`)
}
