import type { Digest } from './list.ts'
import type { InstanceId, Token } from './name.ts'
import type { Reason } from './outcome.ts'
import type { Payload } from './payload.ts'

/** What a participant promises: `full` survives a power cut, `weak` was allowed by its operator's configuration. */
export type Durability = 'full' | 'weak'

/**
 * What a participant says of its branch. `prepared` is a promise to the group that outlives everything; `read-only` and
 * `refused` end the branch; `busy` is no vote: ask again.
 */
export type Vote =
  | {
      readonly kind: 'prepared'
      readonly instance: InstanceId
      readonly token: Token
      readonly durability: Durability
      /** Values of a one-shot's operations; absent when they died with the instance that ran them. */
      readonly results?: readonly Payload[]
    }
  | {
      readonly kind: 'read-only'
      readonly instance: InstanceId
      readonly token: Token
      readonly results?: readonly Payload[]
      /** Of a one-shot: its operations are declared read-only, so that they write nothing when they are executed again either. */
      readonly declared?: boolean
    }
  | { readonly kind: 'refused'; readonly instance: InstanceId; readonly reason: Reason }
  | { readonly kind: 'busy'; readonly instance: InstanceId; readonly found: 'nothing' | 'underway' }

/** A vote together with the list that it was given for. */
export interface CastVote {
  readonly digest: Digest
  readonly vote: Vote
}
