import type { Mode } from '@verdict/participant'
import type { Digest, Payload, Token, TraceContext, TransactionId } from '@verdict/protocol'
import { Packr } from 'msgpackr'
import type { LockMode } from './locks.ts'

/** What a branch does to a key: the new value's bytes, or null for its removal. */
export type Write = Uint8Array | null

/** A prepared branch as it lies on disk: all that is needed to end it, whoever starts next. */
export interface PreparedRow {
  readonly id: TransactionId
  readonly digest: Digest
  readonly token: Token
  readonly results?: readonly Payload[]
  readonly trace?: TraceContext
  readonly preparedAtWallMs: number
  readonly writes: readonly (readonly [key: string, write: Write])[]
  readonly locks: readonly (readonly [key: string, mode: LockMode])[]
}

/** What stays of a branch once it ended. */
export type EndedRow =
  | {
      readonly state: 'committed'
      /** Rows of before there were lone ones have none: their group decided them. */
      readonly mode?: Mode
      readonly digest: Digest
      readonly token: Token
      readonly results?: readonly Payload[]
    }
  | { readonly state: 'aborted'; readonly digest: Digest }

// The format on disk belongs to this package alone. Without records each value is readable on its own.
const packr = new Packr({ useRecords: false, mapsAsObjects: true })

/** Encodes plain data. The bytes are the caller's own. */
export function encode(value: unknown): Uint8Array {
  return new Uint8Array(packr.pack(value))
}

/** Decodes what `encode` made; the caller says what it was. */
export function decode(bytes: Uint8Array): unknown {
  return packr.unpack(bytes)
}
