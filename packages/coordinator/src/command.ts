import type { Decision, ParticipantName, ReportedHazard, Resolution, TransactionId } from '@verdict/protocol'
import { Packr } from 'msgpackr'
import { firstFormat, newestFormat } from './format.ts'

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
  /** Raises the group's format: from here on commands and records of that one may follow. */
  | { readonly kind: 'upgrade'; readonly to: number }

/** Most ids in one `settled`: the entry stays near 100 KiB with the longest ids. */
export const maxSettledIds = 512

/** A command of the log that this program cannot read. The replica must stop: to guess would be to diverge. */
export class UnreadableCommandError extends Error {
  override readonly name = 'UnreadableCommandError'
  readonly code = 'unreadable-command'

  constructor(found: string, newest: number) {
    super(
      `The log holds a command of ${found}, this replica reads formats up to ${newest}. It applied neither that one nor any after ` +
        'it. Start the newer release here, on the same store.',
    )
  }
}

/** The bytes of a log's commands: the format that each was written in (u8), then the command as MessagePack. */
export interface CommandCodec<C> {
  /**
   * Writes a command in a group's format. Fields that came later are nobody's to write, as kinds are.
   * @throws Error when its kind came with a later format: a replica that cannot read it may still be in the group.
   */
  encode(command: C, format: number): Uint8Array
  /** @throws UnreadableCommandError for a command of a later format, or of a kind that its format does not have. */
  decode(bytes: Uint8Array): C
}

const packr = new Packr({ useRecords: false })

/** @param since the format that each kind came with */
export function commandCodec<C extends { readonly kind: string }>(
  since: Readonly<Record<C['kind'], number>>,
  newest: number,
): CommandCodec<C> {
  const formats = new Map<string, number>(Object.entries(since))
  const isOf = (kind: string, format: number): boolean => (formats.get(kind) ?? Number.POSITIVE_INFINITY) <= format
  return {
    encode(command, format) {
      if (format > newest || !isOf(command.kind, format))
        throw new Error(`Broken invariant: a ${command.kind} is written to a group of format ${format}.`)
      const body = packr.pack(command)
      const bytes = new Uint8Array(body.length + 1)
      bytes[0] = format
      bytes.set(body, 1)
      return bytes
    },
    decode(bytes) {
      const [format = 0] = bytes
      if (format < firstFormat || format > newest) throw new UnreadableCommandError(`format ${format}`, newest)
      // The log is checksummed and written by replicas alone, so that its content is trusted once format and kind fit.
      const command = packr.unpack(bytes.subarray(1)) as C
      if (!isOf(command.kind, format))
        throw new UnreadableCommandError(`the unknown kind ${JSON.stringify(command.kind)}`, newest)
      return command
    },
  }
}

/** The format that each kind of command came with. Who adds one takes the next format for it, once this one is released. */
export const commandFormats: Readonly<Record<Command['kind'], number>> = {
  decide: 1,
  settled: 1,
  advance: 1,
  forget: 1,
  hazard: 1,
  resolve: 1,
  release: 1,
  upgrade: 1,
}

const codec: CommandCodec<Command> = commandCodec(commandFormats, newestFormat)

export function encodeCommand(command: Command, format: number = firstFormat): Uint8Array {
  return codec.encode(command, format)
}

/** @throws UnreadableCommandError */
export function decodeCommand(bytes: Uint8Array): Command {
  return codec.decode(bytes)
}
