import type { MembershipChange } from './membership.ts'
import type { Entry, LogIndex, Message, ReplicaId, Term } from './message.ts'
import type { SnapshotHeader } from './snapshot-header.ts'
import type { SpaceValues } from './snapshot-values.ts'

/** What can happen to the core. */
export type Event =
  /** Time went by. `chance`, drawn evenly from [0, 1), spreads the election time-outs. */
  | { readonly kind: 'tick'; readonly elapsedMs: number; readonly chance: number }
  | { readonly kind: 'received'; readonly from: ReplicaId; readonly message: Message }
  /** The disk holds everything of the write. */
  | { readonly kind: 'persisted'; readonly write: number }
  /** Someone wants a command in the log. The number names the proposal in the effects that answer it. */
  | { readonly kind: 'proposed'; readonly proposal: number; readonly command: Uint8Array }
  /** Someone wants the membership changed. The number names the change in the effects that answer it. */
  | { readonly kind: 'changeProposed'; readonly proposal: number; readonly change: MembershipChange }
  /** Someone wants another replica to lead: the one named, or whoever has most of the log. */
  | { readonly kind: 'transferAsked'; readonly transfer: number; readonly to: ReplicaId | undefined }
  /** Someone asks whether this replica still leads. */
  | { readonly kind: 'asked'; readonly read: number }
  /** The answer to the effect `load`: entries right after a position. */
  | {
      readonly kind: 'loaded'
      readonly to: ReplicaId
      readonly prevIndex: LogIndex
      readonly prevTerm: Term
      readonly entries: readonly Entry[]
    }
  /** The other answer to `load`: the log begins behind that position. */
  | { readonly kind: 'compacted'; readonly to: ReplicaId; readonly prevIndex: LogIndex }
  /** The answer to `readSnapshot`: values right after a position; `done` when there are no more. */
  | {
      readonly kind: 'snapshotRead'
      readonly to: ReplicaId
      readonly header: SnapshotHeader
      readonly after: string
      readonly values: SpaceValues
      readonly done: boolean
    }
  /** The bus knows nobody who listens for the leader: a hint, never a proof. `chance` as in `tick`. */
  | { readonly kind: 'leaderUnreachable'; readonly leader: ReplicaId; readonly chance: number }
  | { readonly kind: 'stopped' }
